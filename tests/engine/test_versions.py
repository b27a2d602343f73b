"""A case stays with its version; which ones there are, and who is on them, can be asked."""

from __future__ import annotations

from pathlib import Path

import pytest

from knhk import CaseStatus, Engine
from knhk.errors import UnknownName

pytestmark = pytest.mark.anyio

SOURCE = """
workflow order() -> int
    task pay
    flow
        start -> pay -> end
    return {n}
"""


async def test_running_cases_stay_and_new_ones_begin_on_the_newest(tmp_path: Path) -> None:
    path = tmp_path / "order.knhk"
    async with Engine.open(tmp_path / "w.db") as engine:
        assert () == await engine.versions()
        for number in (1, 2):
            path.write_text(SOURCE.format(n=number), encoding="utf-8")
            await engine.deploy(path)
            for name in "ab":
                await engine.start("order", case_id=f"{name}{number}")
        await engine.complete("a1", "pay")
        assert 1 == await (await engine.case("a1")).result()

        newest, oldest = await engine.versions("order")

        assert (newest,) == (await engine.versions())[:1]
        assert newest.is_newest
        assert not oldest.is_newest
        assert newest.deployed_us > oldest.deployed_us
        assert ((CaseStatus.running, 2),) == newest.cases
        assert ((CaseStatus.completed, 1), (CaseStatus.running, 1)) == oldest.cases
        with pytest.raises(UnknownName, match="there is no workflow 'orders'"):
            await engine.versions("orders")

        await engine.complete("b1", "pay")
        await engine.complete("b2", "pay")
        assert [1, 2] == [await (await engine.case(case)).result() for case in ("b1", "b2")]
