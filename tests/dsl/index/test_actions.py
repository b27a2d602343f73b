"""What a hint tells, done: the source after the edit has not got the problem any more."""

from __future__ import annotations

from pathlib import Path

import pytest

from knhk_dsl.index import Action, Edit, Page, actions
from tests.dsl.index.sources import TYPES, analysis_of, project

FLOW = "    flow\n        start -> a -> end\n"


def edited(text: str, edits: tuple[Edit, ...]) -> str:
    """A text with edits made in it."""
    page = Page("", text)
    for edit in sorted(edits, key=lambda each: each.span, reverse=True):
        text = text[: page.start(edit.span)] + edit.text + text[page.end(edit.span) :]
    return text


def mends(path: Path, text: str) -> list[tuple[str, Action]]:
    """The codes of what is wrong with a source that can be mended, with the mends."""
    page = Page("order.knhk", text)
    return [
        (diagnostic.code, action)
        for diagnostic in analysis_of(path, text).diagnostics
        for action in actions(diagnostic, page)
    ]


@pytest.mark.parametrize(
    ("text", "code", "title", "expected"),
    [
        (
            "workflow w\n    task a\n    flow\n        start -> aa -> a -> end\n",
            "KN401",
            "Write `a`",
            "workflow w\n    task a\n    flow\n        start -> a -> a -> end\n",
        ),
        (
            f"workflow w(id: strr)\n    task a\n{FLOW}",
            "KN214",
            "Write `str`",
            f"workflow w(id: str)\n    task a\n{FLOW}",
        ),
        (
            f"workflow w(id: str)\n    task a = log((idd))\n{FLOW}",
            "KN205",
            "Write `id`",
            f"workflow w(id: str)\n    task a = log((id))\n{FLOW}",
        ),
        (
            f"workflow w\n    task a = log(texxt: 1)\n{FLOW}",
            "KN307",
            "Write `text`",
            f"workflow w\n    task a = log(text: 1)\n{FLOW}",
        ),
        (
            f"workflow w\n    tusk a\n{FLOW}",
            "KN111",
            "Write `task`",
            f"workflow w\n    task a\n{FLOW}",
        ),
        (
            f'from "typos.knhk" use Item\nworkflow w(i: Item)\n    task a\n{FLOW}',
            "KN201",
            "Write `types.knhk`",
            f'from "types.knhk" use Item\nworkflow w(i: Item)\n    task a\n{FLOW}',
        ),
        (
            f"workflow w\n    mutex m, n\n    task a\n        holds n\n{FLOW}",
            "KN212",
            "Remove it",
            f"workflow w\n    mutex n\n    task a\n        holds n\n{FLOW}",
        ),
        (
            f"workflow w\n    var n: int = 1\n    task a\n{FLOW}",
            "KN212",
            "Remove it",
            f"workflow w\n    task a\n{FLOW}",
        ),
        (
            f'from "types.knhk" use Item, Size\nworkflow w(i: Item)\n    task a\n{FLOW}',
            "KN212",
            "Remove it",
            f'from "types.knhk" use Item\nworkflow w(i: Item)\n    task a\n{FLOW}',
        ),
        (
            (
                "workflow w(n: int)\n    task a\n    task b\n    flow\n"
                "        start -> one(a when n > 1, b when n < 0) -> end\n"
            ),
            "KN413",
            "Add `skip otherwise`",
            (
                "workflow w(n: int)\n    task a\n    task b\n    flow\n"
                "        start -> one(a when n > 1, b when n < 0, skip otherwise) -> end\n"
            ),
        ),
        (
            (
                "workflow w(n: int)\n    task a\n    task b\n    flow\n        start -> one(\n"
                "            a when n > 1,\n            b when n < 0\n        ) -> end\n"
            ),
            "KN413",
            "Add `skip otherwise`",
            (
                "workflow w(n: int)\n    task a\n    task b\n    flow\n        start -> one(\n"
                "            a when n > 1,\n            b when n < 0,\n"
                "            skip otherwise,\n"
                "        ) -> end\n"
            ),
        ),
        (
            f"workflow w:\n    task a\n{FLOW}",
            "KN101",
            "Remove the `:`",
            f"workflow w\n    task a\n{FLOW}",
        ),
        (
            f"from shop import reserve\nworkflow w\n    task a = reserve([])\n{FLOW}",
            "KN101",
            "Write `use`",
            f"from shop use reserve\nworkflow w\n    task a = reserve([])\n{FLOW}",
        ),
    ],
)
def test_a_mend_mends(tmp_path: Path, text: str, code: str, title: str, expected: str) -> None:
    path = project(tmp_path)

    found = [action for its, action in mends(path, text) if its == code]

    assert [title] == [action.title for action in found]
    assert expected == edited(text, found[0].edits)
    assert code not in {its for its, _ in mends(path, expected)}


def test_a_name_in_an_unusual_style_is_renamed(tmp_path: Path) -> None:
    text = f"workflow w\n    task a\n    place MyPlace\n{FLOW}"

    found = [action for code, action in mends(project(tmp_path), text) if code == "KN213"]

    assert ["my_place"] == [action.renames for action in found]


@pytest.mark.parametrize(
    "text",
    [
        f"workflow w\n    task a = log(\n{FLOW}",
        f"workflow w\n    task a\n        timeout 3\n{FLOW}",
        f"workflow w(n: int)\n    task a = log(n + none)\n{FLOW}",
    ],
)
def test_what_a_hint_leaves_open_is_not_mended(tmp_path: Path, text: str) -> None:
    assert [] == mends(project(tmp_path, types=TYPES), text)
