"""Simulating: the real engine in a world that a seed decides on."""

from __future__ import annotations

import gc
import logging
import os
import secrets
from asyncio import _get_running_loop, _set_running_loop
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from contextvars import Context
from pathlib import Path
from typing import Final

from knhk.engine.version import Version
from knhk.errors import UsageError
from knhk.journal import Durability, Journal
from knhk.module import Module, load
from knhk.plugins import environment
from knhk.testing.simulation.around import Answer
from knhk.testing.simulation.faults import Faults
from knhk.testing.simulation.plan import Plan, Scenario
from knhk.testing.simulation.report import SEED_VARIABLE, Report, SimulationFailed
from knhk.testing.simulation.run import Run
from knhk.testing.simulation.store import StoreKind

__all__ = ["seeds", "simulate"]

#: Steps of a run at most; one that needs more goes on for ever, or does too much for a test.
STEPS_MAX: Final = 400_000
#: Runs after which what they have left is collected: it is not done while one goes on, since the
#: moment would not be the same the next time.
COLLECT_EVERY: Final = 40

_runs = 0


def simulate(
    seed: int,
    source: str | Path | Module,
    scenario: Scenario,
    *,
    faults: Faults | None = None,
    answers: Mapping[str, Answer] | None = None,
    store: StoreKind = "memory",
    durability: Durability = "full",
    engines: int = 1,
    park_s: float = 5.0,
    steps_max: int = STEPS_MAX,
    mutate: Callable[[Journal], Journal] = lambda journal: journal,
) -> Report:
    """Play a scenario on the real engine, with whatever faults the seed brings.

    ``source`` is a workflow file or a loaded module (loading takes longer than many a run, so load
    it once). ``scenario`` is called with a :class:`Client`. ``answers`` stand in for callees, by
    name; other Python callees are called in earnest, and see a virtual time. When the scenario
    has ended the faults end too, and everything must come to rest; then the engine is closed and
    opened once more. With ``engines`` above one as many share the store, which must be
    ``memory``. ``mutate`` may put something between the engine and its store, to see whether
    it is found out.

    Raises :class:`SimulationFailed` for the first promise that is not kept, with the seed and the
    trace, and with the scenario's own exception as its cause, if it raised one.
    """
    if engines < 1 or (engines > 1 and store != "memory"):
        raise UsageError(f"a store in SQLite has one engine, one in memory one or more: {engines}")
    module = source if isinstance(source, Module) else load(source)
    plan = Plan(
        module,
        environment(),
        {name: Version(module.digest, module[name], {}, {}) for name in module},
        scenario,
        faults if faults is not None else Faults(),
        answers or {},
        store,
        durability,
        engines,
        park_s,
        steps_max,
        mutate,
    )
    with _undisturbed():
        return Context().run(_play, plan, seed)


def _play(plan: Plan, seed: int) -> Report:
    run = Run(plan, str(seed))
    cause: Exception | None = None
    try:
        run.go()
    except Exception as error:  # noqa: BLE001  the scenario is somebody else's
        cause = error
    machine = run.machine
    trace = "\n".join([*machine.trace.lines, f"{machine.steps} steps, order {machine.digest:x}\n"])
    if run.broken is not None:  # what the scenario meets after that is no wonder
        raise SimulationFailed(seed, run.broken.invariant, run.broken.why, trace) from cause
    if cause is not None:
        why = f"{type(cause).__name__}: {cause}"
        raise SimulationFailed(seed, "the scenario holds", why, trace) from cause
    return Report(
        seed,
        machine.steps,
        machine.seconds,
        run.lives,
        dict(machine.trace.faults),
        {name: shadow.case.status for name, shadow in sorted(run.ledger.shadows.items())},
        run.attempts,
        trace,
    )


@contextmanager
def _undisturbed() -> Iterator[None]:
    """Keep the caller's event loop and the garbage collector out of it."""
    global _runs  # noqa: PLW0603  a count
    loop, is_enabled = _get_running_loop(), gc.isenabled()
    _set_running_loop(None)
    gc.disable()
    log = logging.getLogger("knhk")
    level = log.level
    log.setLevel(logging.CRITICAL)  # what would be logged is in the trace
    try:
        yield
    finally:
        log.setLevel(level)
        _set_running_loop(loop)
        if is_enabled:
            gc.enable()
        _runs += 1
        if _runs % COLLECT_EVERY == 0:
            gc.collect()


def seeds(count: int, first: int | None = None) -> Iterator[int]:
    """Seeds to try: ``count`` from ``first`` on, or from one that nobody has tried yet.

    Where the environment has ``KNHK_SIMULATION_SEED`` it is that one only;
    ``KNHK_SIMULATION_SEEDS`` stands for ``count``.
    """
    one = os.environ.get(SEED_VARIABLE)
    if one is not None:
        yield int(one)
        return
    count = int(os.environ.get(f"{SEED_VARIABLE}S", count))
    begin = secrets.randbelow(2**40) if first is None else first
    yield from range(begin, begin + count)
