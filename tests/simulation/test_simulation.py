"""Thousands of seeds over a dozen workflows; and that a seed is all that a run depends on."""

from __future__ import annotations

import os
import subprocess
import sys
from collections import Counter
from dataclasses import fields
from pathlib import Path
from random import Random
from typing import Any

import anyio
import anyio.to_thread
import pytest

from knhk.call import current_call
from knhk.errors import UsageError
from knhk.testing.simulation import (
    CalleeFault,
    Client,
    Faults,
    SimulationFailed,
    seeds,
    simulate,
)
from knhk.testing.simulation.disk import Disk
from tests.simulation.scenarios import WORKFLOWS, module, play, scenario

ROOT = Path(__file__).parents[2]
#: Seeds of one test; there are as many tests as workers can do at the same time.
BATCH = 480
BATCH_SQLITE = 40
BATCH_SHARED = 60


#: They take as long as the machine lets them.
many = pytest.mark.timeout(900)


@many
@pytest.mark.slow
@pytest.mark.parametrize("batch", range(4))
def test_thousands_of_seeds_keep_all_promises(batch: int) -> None:
    for seed in seeds(BATCH):
        play(seed)


@many
@pytest.mark.parametrize("batch", range(2))
def test_seeds_keep_all_promises_on_a_disk_that_tears_and_forgets(batch: int) -> None:
    for seed in seeds(BATCH_SQLITE):
        play(seed, store="sqlite")


@many
def test_two_engines_on_one_store_get_in_each_others_way_and_break_nothing() -> None:
    for seed in seeds(BATCH_SHARED):
        play(seed, engines=2)


def test_with_durability_normal_a_power_cut_costs_the_last_appends_and_nothing_else() -> None:
    likely = Faults(crash_between_steps=0.003, power_cut=1.0)
    for seed in seeds(12):
        play(seed, store="sqlite", durability="normal", faults=likely)


def test_every_fault_strikes() -> None:
    struck: Counter[str] = Counter()
    for seed in range(24):
        struck.update(play(seed).faults)
        struck.update(play(seed, store="sqlite").faults)

    names = {field.name.replace("_", " ") for field in fields(Faults)} - {"crashes max"}
    assert names == set(struck)


TRACES = """
from tests.simulation.scenarios import play
for seed in range(12):
    print(play(seed).trace)
print(play(5, store="sqlite").trace, play(6, engines=3).trace)
"""


def test_the_same_seed_gives_the_same_trace_to_the_byte_in_every_process() -> None:
    traces = {
        subprocess.run(
            [sys.executable, "-c", TRACES],
            env={**os.environ, "PYTHONHASHSEED": hash_seed},
            cwd=ROOT,
            capture_output=True,
            check=True,
            timeout=100,
        ).stdout
        for hash_seed in ("0", "1", "4242")
    }

    assert 1 == len(traces)
    assert traces.pop().count(b"steps, order") == 14


def test_other_seeds_give_other_orders() -> None:
    assert 10 == len({play(seed, "lab", faults=Faults.none()).trace for seed in range(10)})


def test_a_run_does_not_depend_on_those_before_it() -> None:
    first = play(7).trace
    play(8)
    assert first == play(7).trace


def test_the_environment_names_one_seed_or_how_many(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("KNHK_SIMULATION_SEED", raising=False)
    monkeypatch.delenv("KNHK_SIMULATION_SEEDS", raising=False)
    assert [5, 6, 7] == list(seeds(3, first=5))

    monkeypatch.setenv("KNHK_SIMULATION_SEEDS", "2")
    assert [5, 6] == list(seeds(3, first=5))

    monkeypatch.setenv("KNHK_SIMULATION_SEED", "77")
    assert [77] == list(seeds(3, first=5))


def test_seeds_are_new_ones_each_time() -> None:
    assert list(seeds(1)) != list(seeds(1))


# What a scenario and its callees are given


def test_what_the_scenario_asserts_comes_out_with_the_seed_and_the_trace() -> None:
    async def wrong(client: Client) -> None:
        case = await client.start("lab", id="L")
        assert await client.result(case) == 2

    with pytest.raises(SimulationFailed, match="KNHK_SIMULATION_SEED=3") as failed:
        simulate(3, module("lab"), wrong, faults=Faults.none())

    assert "the scenario holds" == failed.value.invariant
    assert isinstance(failed.value.__cause__, AssertionError)
    assert "calls shop.linger" in failed.value.trace


def test_a_scenario_that_waits_for_nothing_is_told_so() -> None:
    async def forever(client: Client) -> None:
        await anyio.sleep_forever()

    with pytest.raises(SimulationFailed, match="never comes"):
        simulate(3, module("lab"), forever)


def test_a_case_that_goes_on_for_ever_ends_the_run() -> None:
    async def begin(client: Client) -> None:
        await client.start("rounds", goal=10**9)

    with pytest.raises(SimulationFailed, match="it goes on after 1500 steps"):
        simulate(3, module("rounds"), begin, faults=Faults.none(), steps_max=1_500)


def test_time_is_simulated_for_callees_too() -> None:
    async def begin(client: Client) -> None:
        await client.result(await client.start("rounds", goal=40))
        await client.sleep(86_400 * 365)

    assert simulate(3, module("rounds"), begin, faults=Faults.none()).seconds > 86_400 * 365


def test_answers_stand_in_for_callees_and_know_which_call_it_is() -> None:
    keys: list[str] = []

    async def linger(seconds: float) -> float:
        keys.append(current_call().idempotency_key)
        return seconds

    async def begin(client: Client) -> None:
        assert await client.result(await client.start("lab", case_id="c", id="L")) == 1

    report = simulate(
        1, module("lab"), begin, answers={"shop.linger": linger}, faults=Faults.none()
    )

    assert sorted(report.attempts) == sorted(keys)
    assert {"c": "completed"} == report.cases


def test_a_callee_that_always_fails_fails_as_a_connection_does() -> None:
    async def begin(client: Client) -> None:
        assert "failed" == await client.end(await client.start("lab", case_id="c", id="L"))

    report = simulate(1, module("lab"), begin, faults=Faults.only(failing_callee=1.0))

    assert issubclass(CalleeFault, ConnectionError)
    assert max(report.attempts.values()) == 1


def test_a_run_can_be_made_within_an_event_loop() -> None:
    async def main() -> str:
        await anyio.lowlevel.checkpoint()
        trace = play(3).trace
        await anyio.lowlevel.checkpoint()
        return trace

    assert play(3).trace == anyio.run(main)


@pytest.mark.parametrize(
    ("options", "what"),
    [
        ({"engines": 0}, "one engine"),
        ({"engines": 2, "store": "sqlite"}, "one engine"),
    ],
)
def test_what_cannot_be_simulated_is_refused(options: dict[str, Any], what: str) -> None:
    with pytest.raises(UsageError, match=what):
        simulate(1, module("lab"), scenario("lab"), **options)


def test_a_likelihood_is_between_0_and_1() -> None:
    with pytest.raises(UsageError, match="slow_disk has a likelihood from 0 to 1, not 2"):
        Faults(slow_disk=2)


def test_all_workflows_are_played() -> None:
    assert {path.stem for path in (Path(__file__).parent / "workflows").glob("*.knhk")} == set(
        WORKFLOWS
    )


# The disk


def disk_in(directory: Path) -> Disk:
    (directory / "0").mkdir()
    return Disk(directory / "0", lambda what: None)


def test_after_the_crash_of_a_process_all_that_was_written_is_there(tmp_path: Path) -> None:
    disk = disk_in(tmp_path)
    disk.opened("a")
    disk.write("a", 0, b"one")
    disk.sync("a")
    disk.write("a", 3, b"two")
    disk.write("a", 4, None)
    disk.image(tmp_path / "1", None)

    assert b"onet" == (tmp_path / "1" / "a").read_bytes()


def test_after_a_power_cut_what_was_synced_is_there_and_the_rest_is_not_to_be_relied_on(
    tmp_path: Path,
) -> None:
    found = set()
    for number in range(40):
        home = tmp_path / str(number)
        home.mkdir()
        disk = disk_in(home)
        disk.opened("a")
        disk.write("a", 0, b"synced")
        disk.sync("a")
        disk.write("a", 6, b"x" * 1024)
        disk.opened("never")
        disk.write("never", 0, b"1")
        disk.image(home / "1", Random(number))
        data = (home / "1" / "a").read_bytes()
        assert data.startswith(b"synced")
        found.add((len(data), (home / "1" / "never").exists()))

    assert {6, 6 + 512, 6 + 1024} == {length for length, _ in found}
    assert {True, False} == {is_there for _, is_there in found}
