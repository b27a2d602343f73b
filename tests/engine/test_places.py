"""Where Python modules are found: beside each file, as the checker looks for them."""

from __future__ import annotations

from pathlib import Path

import pytest

from knhk import Engine
from knhk.errors import UnknownName

MAIN = """
from "parts/part.knhk" use part

workflow w()
    task a
    flow
        start -> a -> end
"""

PART = """
from tools use double

workflow part(n: int) -> json
    task a = double(n)
    flow
        start -> a -> end
    return a
"""


@pytest.mark.anyio
async def test_a_used_workflow_finds_the_modules_beside_its_own_file(tmp_path: Path) -> None:
    (tmp_path / "knhk.toml").touch()
    (tmp_path / "parts").mkdir()
    (tmp_path / "parts" / "part.knhk").write_text(PART)
    (tmp_path / "parts" / "tools.py").write_text("def double(n: int) -> int:\n    return n * 2\n")
    (tmp_path / "main.knhk").write_text(MAIN)
    async with Engine.open() as engine:
        await engine.deploy(tmp_path / "main.knhk")
        case = await engine.start("part", n=21)
        assert await case.result() == 42


FAMILY_MAIN = """
from "parts/part.knhk" use part

workflow helper(n: int) -> str
    task ask
    flow
        start -> ask -> end
    return "mine"

workflow w(n: int) -> json
    task a = part(n)
    flow
        start -> a -> end
    return a
"""

FAMILY_PART = """
from tools use double

workflow helper(n: int) -> json
    task a = double(n)
    flow
        start -> a -> end
    return a

workflow part(n: int) -> json
    task a = helper(n)
    flow
        start -> a -> end
    return a
"""


@pytest.mark.anyio
async def test_a_sub_case_is_of_the_workflow_that_its_callers_file_means(tmp_path: Path) -> None:
    (tmp_path / "knhk.toml").touch()
    (tmp_path / "parts").mkdir()
    (tmp_path / "parts" / "part.knhk").write_text(FAMILY_PART)
    (tmp_path / "parts" / "tools.py").write_text("def double(n: int) -> int:\n    return n * 2\n")
    (tmp_path / "main.knhk").write_text(FAMILY_MAIN)
    store = tmp_path / "store.db"
    async with Engine.open(store) as engine:
        await engine.deploy(tmp_path / "main.knhk")
        assert 42 == await (await engine.start("w", case_id="A", n=21)).result()
        await engine.start("helper", case_id="B", n=1)
        await engine.complete("B", "ask")
        assert "mine" == await (await engine.case("B")).result()

    async with Engine.open(store) as engine:
        assert 8 == await (await engine.start("w", case_id="C", n=4)).result()
        rows = await engine.cases(parent="C")
        shown = await engine.show("C/a-1.1")
        with pytest.raises(UnknownName) as caught:
            await engine.start(shown.children[0].workflow, n=1)

    assert ["C/a-1.1"] == [row.id for row in rows]
    assert "helper" != shown.children[0].workflow
    assert {"helper", "part", "w"} == set(caught.value.known)
