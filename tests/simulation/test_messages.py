"""Messages to whichever case waits, in every order and with every fault: taken once, or kept."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from knhk.engine.post import PostOffice
from knhk.journal import Commit, Journal
from knhk.module import load
from knhk.testing.simulation import Client, Faults, Report, SimulationFailed, seeds, simulate

MAIL = load(Path(__file__).parent / "mail.knhk")
KEYS = ["a", "b"]
CRASHES = Faults.only(crash_between_steps=0.01, crash_after_append=0.05, slow_request=0.3)


async def scenario(client: Client) -> None:
    """Cases that begin to wait at different times, and messages that may come before them."""
    random = client.random
    for _ in range(random.randint(4, 12)):
        await client.sleep(random.choice([0.0, 0.01, 1.0, 12.0]))
        if random.random() < 0.4:
            await client.start("mail", key=random.choice(KEYS))
        else:
            await client.publish("job", random.choice([*KEYS, "c"]))
    await client.sleep(60)


def play(seed: int, **options: Any) -> Report:
    return simulate(seed, MAIL, scenario, **options)


def test_every_message_is_taken_once_or_kept() -> None:
    for seed in seeds(20):
        play(seed)


def test_every_message_is_taken_once_or_kept_on_a_disk_that_tears_and_forgets() -> None:
    for seed in seeds(8):
        play(seed, store="sqlite")


def test_messages_are_given_out_by_crashing_engines() -> None:
    taken = 0
    for seed in seeds(20):
        taken += play(seed, faults=CRASHES, park_s=0.5).trace.count("receives message")
    assert taken


def found_out(**options: Any) -> SimulationFailed:
    for seed in range(40):
        try:
            play(seed, **options)
        except SimulationFailed as failed:
            return failed
    raise AssertionError("nothing is found out")


class Forgetful:
    """A journal that does not note which letters were received."""

    def __init__(self, inner: Journal) -> None:
        self.inner = inner

    def append(self, commits: Sequence[Commit]) -> None:
        self.inner.append([commit._replace(received=()) for commit in commits])

    def __getattr__(self, name: str) -> Any:
        return getattr(self.inner, name)


def test_a_message_that_is_taken_twice_is_found_out() -> None:
    assert "no message lost or taken twice" == found_out(mutate=Forgetful).invariant


def test_a_message_that_nobody_gives_out_is_found_out(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(PostOffice, "listens", lambda self, waits: None)
    assert "waits for it" in str(found_out(faults=Faults.none()))


def test_a_message_that_is_not_given_out_after_a_crash_is_found_out(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(PostOffice, "look_through", lambda self: None)
    often = Faults.only(crash_after_append=0.3, crashes_max=30)
    assert "waits for it" in str(found_out(faults=often))
