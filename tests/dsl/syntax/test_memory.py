"""A source that is read again after an edit: always what reading it afresh gives."""

from __future__ import annotations

import random
from pathlib import Path

from hypothesis import given, settings
from hypothesis import strategies as st

from knhk.plugins import environment
from knhk_dsl import Sources, check_sources
from knhk_dsl.sources import Readings
from knhk_dsl.syntax import ast
from knhk_dsl.syntax.memory import Memory, moved
from knhk_dsl.syntax.parse import parse, parse_again

HERE = Path(__file__).parent
PIECES = sorted((HERE / "cases").glob("*.knhk")) + sorted(
    (HERE.parent / "check/cases").rglob("*.knhk")
)
TEXTS = [path.read_bytes().decode("utf-8", "replace") for path in PIECES]
WORKFLOW = '''"""Two workflows."""

record Item
    sku: str
    price: decimal = 1.5

enum Size: small, large

workflow pack(items: list[Item]) -> int
    """Pack what is there."""
    var total: decimal = sum(item.price for item in items)
    task weigh
        timeout 10s
        sets total = total + 1  # and so on

    task label = log("{total} for {len(items)}")
        retry 3 every 1s
    place waiting
    flow
        start -> weigh -> one(
            label when total > 10,
            skip otherwise,
        ) -> waiting
        waiting -> end
    return 1

workflow send(id: str)
    task go = pack(items: [])
    task ask
        """Ask."""
    flow
        start -> all(go, ask) -> end
'''
SNIPPETS = [
    "", " ", "\n", "\n\n", "    ", "        ", "\t", "x", "(", ")", "[", "{", "}", '"', '"""', "\\",
    "# note", "\n    task more\n", "\n        timeout 3s\n", "\n        weigh -> end\n", " -> ",
    "\nworkflow again()\n    flow\n        start -> end\n", "task", "0", ":", "=", "\r\n",
    "\u2028", ",",
    "\U0001f600", "\nflow\n", "\n  odd\n", "all(", "message", "skip", "cancelling", " when x",
]  # fmt: skip


def edited(text: str, chance: random.Random) -> str:
    """The text with a piece of it replaced, moved or taken away."""
    start = chance.randrange(len(text) + 1)
    size = chance.choice([0, 0, 1, 2, 5, 20, 80])
    cut = text[start : start + size]
    put = chance.choice([*SNIPPETS, cut + cut, chance.choice(TEXTS)[:200]])
    at = chance.choice([start, start, start, chance.randrange(len(text) + 1)])
    rest = text[:start] + text[start + size :]
    return rest[:at] + put + rest[at:]


@settings(max_examples=150)
@given(st.randoms(use_true_random=False), st.sampled_from([WORKFLOW, WORKFLOW, *TEXTS]))
def test_after_any_edits_a_source_reads_as_if_it_were_new(chance: random.Random, text: str) -> None:
    memory = Memory()
    for _ in range(8):
        tree, problems, memory = parse_again(text, "x.knhk", memory)

        assert parse(text, "x.knhk") == (tree, problems)
        text = edited(text, chance)


@settings(max_examples=50)
@given(st.randoms(use_true_random=False))
def test_after_any_edits_a_check_finds_what_a_new_one_finds(chance: random.Random) -> None:
    readings, installed, text = Readings(), environment(), WORKFLOW
    path = HERE / "x.knhk"
    for _ in range(6):
        again = Sources.of_editor(path, {path: text}, readings)
        new = Sources.of_editor(path, {path: text}, Readings())

        assert check_sources(new, installed) == check_sources(again, installed)
        text = edited(text, chance)


def kept_nodes(before: str, after: str) -> tuple[int, int]:
    """How many statements of a source are the very nodes of before, and how many there are."""
    first, _, memory = parse_again(before, "x.knhk", Memory())
    second, _, _ = parse_again(after, "x.knhk", memory)
    nodes = {id(node) for node in statements(first)}
    found = statements(second)
    return sum(id(node) in nodes for node in found), len(found)


def statements(tree: ast.SourceFile) -> list[ast.SyntaxNode]:
    return [
        statement
        for declaration in tree.declarations
        if isinstance(declaration, ast.WorkflowDecl)
        for statement in declaration.body
    ]


def test_what_an_edit_does_not_touch_is_not_read_again() -> None:
    # All but the task that changed, and the last statements: nothing stands behind these.
    assert (6, 9) == kept_nodes(WORKFLOW, WORKFLOW.replace("retry 3", "retry 4"))


def test_places_move_with_the_lines_above() -> None:
    text = f"# a note\n\n{WORKFLOW}"
    tree, _, memory = parse_again(WORKFLOW, "x.knhk", Memory())

    again, _, _ = parse_again(text, "x.knhk", memory)

    assert tree.declarations[2].span.line + 2 == again.declarations[2].span.line
    assert moved(tree.declarations[2], 2) == again.declarations[2]


def test_a_line_that_comes_to_belong_to_a_statement_makes_it_a_new_one() -> None:
    before = "workflow a()\n    task b\n    task c\n    flow\n        start -> b -> c -> end\n"
    after = before.replace("task b\n", "task b\n        timeout 1s\n")
    _, _, memory = parse_again(before, "x.knhk", Memory())

    assert parse(after, "x.knhk") == parse_again(after, "x.knhk", memory)[:2]
