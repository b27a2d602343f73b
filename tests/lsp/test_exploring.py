"""What only the exploration of a net finds comes after the rest, if nothing has changed since."""

from __future__ import annotations

import asyncio
import shutil
import sys

import pytest

from knhk.lsp.checks import Question, answer, explored
from tests.lsp.conftest import Editor
from tests.lsp.test_server import codes

STUCK = """workflow w(x: bool)
    task a
    task b
    task c
    flow
        start -> one(a when x, b otherwise)
        all(a, b) -> c -> end
"""
SOUND = STUCK.replace("all(a, b)", "one(a, b)")


@pytest.mark.asyncio
async def test_a_deadlock_is_told_after_the_rest_with_the_run_that_leads_there(
    exploring_editor: Editor,
) -> None:
    assert [] == codes(await exploring_editor.open("order.knhk", STUCK))

    (found,) = await exploring_editor.told("order.knhk", 1)

    assert "KN701" == found.code
    assert "the case can get stuck" in found.message
    assert "run, the shortest that leads there: a" in found.message


@pytest.mark.asyncio
async def test_after_several_edits_the_last_text_is_explored(exploring_editor: Editor) -> None:
    await exploring_editor.open("order.knhk", SOUND)
    for version in range(2, 6):
        text = f"{STUCK}# {version}\n"
        assert [] == codes(await exploring_editor.change("order.knhk", text, version))

    assert ["KN701"] == codes(await exploring_editor.told("order.knhk", 5))


@pytest.mark.asyncio
async def test_a_whole_check_answers_from_a_process_of_its_own() -> None:
    question = Question("", STUCK, {})

    found = await explored(question)

    assert found == answer(question)
    assert ["KN701"] == [diagnostic.code for diagnostic in found or ()]


@pytest.mark.asyncio
async def test_work_that_is_not_wanted_any_more_is_ended() -> None:
    exploring = asyncio.create_task(explored(Question("", STUCK, {})))
    await asyncio.sleep(0)
    exploring.cancel()

    with pytest.raises(asyncio.CancelledError):
        await exploring


@pytest.mark.asyncio
@pytest.mark.parametrize("program", ["false", "nowhere"])
async def test_a_process_that_fails_comes_to_nothing(
    monkeypatch: pytest.MonkeyPatch, program: str
) -> None:
    monkeypatch.setattr(sys, "executable", shutil.which(program) or "/nowhere/at/all")

    assert await explored(Question("", STUCK, {})) is None
