"""The engine on a store in PostgreSQL, under asyncio and trio."""

from __future__ import annotations

from pathlib import Path
from textwrap import dedent

import pytest

from knhk.engine import Engine
from knhk.model import CaseStatus
from tests.journal.proxy import COMMITTED, Proxy
from tests.postgres import with_schema

pytestmark = pytest.mark.anyio

SOURCE = """
    workflow order(id: str) -> str
        var amount: decimal = 0
        task paid = message payment(id)
            sets amount = paid.amount
        task note = log("order {id} is paid")
        flow
            start -> paid -> note -> end
        return "{amount} paid"
"""


@pytest.fixture
def source(tmp_path: Path) -> Path:
    path = tmp_path / "order.knhk"
    path.write_text(dedent(SOURCE).lstrip(), encoding="utf-8")
    return path


async def test_a_case_goes_on_after_a_restart(postgres: str, source: Path) -> None:
    async with Engine.open(postgres) as engine:
        await engine.deploy(source)
        await engine.start("order", case_id="A", id="A1")

    async with Engine.open(postgres) as engine:
        await engine.send("A", "payment", {"amount": 5}, key="A1")
        (case,) = await engine.cases()
        assert "5 paid" == await (await engine.case("A")).result()

    async with Engine.open(postgres, reading=True) as engine:
        (case,) = await engine.cases()
        assert (CaseStatus.completed, "A") == (case.status, case.id)


async def test_a_case_does_not_notice_that_answers_are_lost(
    postgres: str, postgres_server: str, source: Path
) -> None:
    proxy = Proxy(postgres_server)
    address = with_schema(proxy.address, postgres.rpartition("=")[2])
    async with Engine.open(address) as engine:
        await engine.deploy(source)
        proxy.lose_answer(COMMITTED)
        await engine.start("order", case_id="A", id="A1")
        assert proxy.lost.is_set()

        proxy.lose_answer(COMMITTED)
        await engine.send("A", "payment", {"amount": 5}, key="A1")
        assert "5 paid" == await (await engine.case("A")).result()
        assert proxy.lost.is_set()
    proxy.close()
