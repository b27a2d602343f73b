"""Calls of a connector are limited over all cases, by its declaration and by the engine."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from knhk.engine import Concurrency, Engine
from knhk.model import CALLEE_CONNECTOR
from knhk.module import load
from knhk.plugins import environment
from knhk.testing import VirtualClock

from .conftest import Install

pytestmark = pytest.mark.anyio

BANK = """
from pydantic import BaseModel

from knhk.connect import Connector, operation

inside = []
most = {}
clock = None


class Settings(BaseModel):
    branch: str = "main"


class Bank(Connector[Settings]):
    name = "bank_desk"
    Settings = Settings

    @operation
    async def pay(self, name: str = "x") -> str:
        branch = self.settings.branch
        inside.append(branch)
        most[branch] = max(most.get(branch, 0), inside.count(branch))
        await clock.sleep(3)
        inside.remove(branch)
        return name
"""
SOURCE = """
connector bank = bank_desk(branch: "{branch}")
    at most 2 at once
connector other = bank_desk(branch: "other")

workflow {name}(n: int) -> json
    task charge = bank.pay("charge")
        compensate with bank.pay("undo")
    task book = bank.pay("book")
    task ask = other.pay("ask")
    flow
        start -> all(charge, book, ask) -> end
"""


@pytest.fixture
def files(tmp_path: Path, install: Install) -> Iterator[Path]:
    install("bank_desk", "bank_desk:Bank", BANK)
    for name, branch in (("first", "main"), ("second", "main"), ("third", "far")):
        source = SOURCE.format(name=name, branch=branch)
        (tmp_path / f"{name}.knhk").write_text(source, encoding="utf-8")
    yield tmp_path
    sys.modules.pop("bank_desk", None)


async def most(files: Path, concurrency: Concurrency) -> dict[str, int]:
    """How many were at each branch at most, of three workflows with two cases each."""
    clock = VirtualClock()
    async with Engine.open(clock=clock, concurrency=concurrency) as engine:
        names = ("first", "second", "third")
        for name in names:
            await engine.deploy(files / f"{name}.knhk")
        sys.modules["bank_desk"].clock = clock  # type: ignore[attr-defined]
        cases = [await engine.start(name, n=number) for name in names for number in range(2)]
        for case in cases:
            await case.result()
        assert {0} == {limit.taken + limit.waiting for limit in engine.concurrency}
        found: dict[str, int] = sys.modules["bank_desk"].most
        return found


async def test_what_a_file_says_holds_for_all_tasks_of_equal_declarations(files: Path) -> None:
    assert {"main": 2, "far": 2, "other": 6} == await most(files, Concurrency())


async def test_what_the_engine_is_told_holds_for_all_of_one_name(files: Path) -> None:
    limits = Concurrency(connectors={"bank": 3, "other": 1, "unknown": 1})

    found = await most(files, limits)

    assert (2, 1) == (found["main"], found["other"])
    assert found["far"] <= 2


def test_the_limit_stands_in_the_net_and_tells_no_connectors_apart(files: Path) -> None:
    nets = [load(files / f"{name}.knhk", environment())[name].net for name in ("first", "third")]

    assert [(2, 0), (2, 0)] == [tuple(spec.at_most for spec in net.connectors) for net in nets]
    calls = [node.task.callee for node in nets[0].nodes if node.task is not None]
    assert {CALLEE_CONNECTOR} == {callee.kind for callee in calls}
    assert nets[0].connectors[0] != nets[1].connectors[0]
