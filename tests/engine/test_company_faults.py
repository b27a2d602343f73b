"""Real faults of three engines on one store in PostgreSQL; every value of every case is checked.

``KNHK_TEST_FAULTS`` is how many lives a test ends by a kill, ``KNHK_TEST_SEED`` draws the same
moments again.
"""

from __future__ import annotations

import os
import random
import signal
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from tests.engine.test_faults import (
    CASES,
    KILLS,
    LIVES_MAX,
    Life,
    Nursery,
    check_end,
    kept,
    moments,
)

pytestmark = pytest.mark.skipif(not hasattr(os, "fork"), reason="this system cannot fork")

ENGINES = 3


@pytest.fixture(params=["asyncio", "trio"])
def nurseries(
    request: pytest.FixtureRequest, tmp_path: Path, postgres: str
) -> Iterator[list[Nursery]]:
    """Each lets an engine live, on the same store and with the same handlers."""
    cases = CASES * min(max(1, KILLS // 6), 8)
    nurseries = [Nursery(tmp_path, postgres, request.param, cases) for _ in range(ENGINES)]
    yield nurseries
    for nursery in nurseries:
        nursery.close()


def at_once(*acts: Callable[[], Life]) -> list[Life]:
    with ThreadPoolExecutor(len(acts)) as threads:
        return [each.result() for each in [threads.submit(act) for act in acts]]


def check_all(nurseries: list[Nursery], lives: list[Life]) -> None:
    """Every engine saw every value, and nothing that was acknowledged is missing."""
    for nursery, life in zip(nurseries, lives, strict=True):
        assert 0 == life.code
        check_end(nursery, life)
    after = kept(nurseries[0])
    for what, case in (told for nursery in nurseries for told in nursery.told):
        assert case in after.status, f"{case} was acknowledged and is lost"
        if what == "sent":
            assert after.messages[case] > 0, f"the message to {case} is lost"


def test_engines_that_are_killed_again_and_again_keep_every_value(
    nurseries: list[Nursery],
) -> None:
    draw = moments()
    seeds = [draw.random() for _ in nurseries]

    def lives(nursery: Nursery, seed: float) -> Life:
        draw = random.Random(seed)
        kills = 0
        for _ in range(LIVES_MAX):
            is_killed = kills < KILLS / 2
            life = nursery.live(draw.uniform(0.05, 0.6) if is_killed else None)
            assert life.code in ((0, -signal.SIGKILL) if is_killed else (0,))
            kills += life.code == -signal.SIGKILL
            if life.results is not None:
                return life
        raise AssertionError("it does not come to an end")

    ends = at_once(
        *(
            lambda nursery=nursery, seed=seed: lives(nursery, seed)
            for nursery, seed in zip(nurseries, seeds, strict=True)
        )
    )

    check_all(nurseries, ends)


def test_an_engine_that_stood_still_past_its_lease_writes_nothing_that_is_not_its_own(
    nurseries: list[Nursery],
) -> None:
    draw = moments()
    first, *others = nurseries

    ends = at_once(
        lambda: first.live(kill_after_s=draw.uniform(0.2, 0.8), stop_for_s=4),
        *(nursery.live for nursery in others),
    )

    check_all(nurseries, ends)
    assert first.cases == len(ends[0].results or ())
