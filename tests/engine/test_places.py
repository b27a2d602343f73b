"""Where Python modules are found: beside each file, as the checker looks for them."""

from __future__ import annotations

from pathlib import Path

import pytest

from knhk import Engine

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
