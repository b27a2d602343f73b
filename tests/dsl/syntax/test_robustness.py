"""Whatever the input is: an answer, places inside the file, bounded work."""

from __future__ import annotations

import random
import time
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from knhk.errors import Diagnostic
from knhk_dsl.diagnostics import codes as known_codes
from knhk_dsl.rendering.human import render_human
from knhk_dsl.rendering.listing import render_json
from knhk_dsl.syntax import ast, codes
from knhk_dsl.syntax.parse import SOURCE_BYTES_MAX, parse
from knhk_dsl.syntax.recovery import DIAGNOSTICS_MAX

CASES = sorted((Path(__file__).parent / "cases").glob("*.knhk"))
TEXTS = [path.read_bytes().decode("utf-8", "replace") for path in CASES]
WORDS = sorted({word for text in TEXTS for word in text.split() if len(word) < 20})
SIGNS = ["(", ")", "[", "]", "{", "}", '"', '"""', "\n", "    ", "\t", "\\", "->", "#", "%", ":"]


def check(data: bytes | str) -> tuple[Diagnostic, ...]:
    """Parse, and look at the places of what is reported."""
    tree, diagnostics = parse(data, "x.knhk")
    assert isinstance(tree, ast.SourceFile)
    assert len(diagnostics) <= DIAGNOSTICS_MAX + 1
    text = data.decode("utf-8", "replace") if isinstance(data, bytes) else data
    text = text.removeprefix("\ufeff").replace("\r\n", "\n").replace("\r", "\n")
    lines = text.split("\n")
    for diagnostic in diagnostics:
        span = diagnostic.span
        assert diagnostic.code in known_codes()
        assert 1 <= span.line <= span.end_line <= len(lines)
        assert 1 <= span.column <= len(lines[span.line - 1]) + 1
        assert (span.line, span.column) <= (span.end_line, span.end_column)
        assert span.end_column <= len(lines[span.end_line - 1]) + 2
    render_json(diagnostics)
    render_human(diagnostics, {"x.knhk": text}).encode("utf-8")
    return diagnostics


@given(st.binary(max_size=300))
def test_any_bytes_get_an_answer(data: bytes) -> None:
    check(data)


@given(st.text(max_size=300))
def test_any_text_gets_an_answer(text: str) -> None:
    check(text)


@given(st.lists(st.sampled_from(WORDS + SIGNS * 20), max_size=120), st.randoms())
def test_any_words_of_the_language_get_an_answer(words: list[str], chance: random.Random) -> None:
    check(
        "".join(
            word + chance.choice(["", " ", " ", "\n", "\n    ", "\n        "]) for word in words
        )
    )


@given(st.sampled_from(TEXTS), st.randoms(use_true_random=False))
def test_a_mutilated_source_gets_an_answer(text: str, chance: random.Random) -> None:
    for _ in range(chance.randint(1, 6)):
        text = mutilated(text, chance)
    check(text)
    check(text.encode("utf-8", "surrogatepass"))


def mutilated(text: str, chance: random.Random) -> str:
    """The source with one thing deleted, inserted, doubled or swapped."""
    lines = text.split("\n")
    here, there = chance.randrange(len(lines)), chance.randrange(len(lines))
    at = chance.randint(0, len(text))
    match chance.randrange(7):
        case 0:
            del lines[here]
        case 1:
            lines[here], lines[there] = lines[there], lines[here]
        case 2:
            lines[here] = " " * chance.randint(0, 12) + lines[here].lstrip()
        case 3:
            return text[:at] + chance.choice(SIGNS + WORDS) + text[at:]
        case 4:
            return text[:at] + text[at + chance.randint(1, 30) :]
        case 5:
            words = lines[here].split(" ")
            chance.shuffle(words)
            lines[here] = " ".join(words)
        case _:
            lines.insert(here, lines[there])
    return "\n".join(lines)


@pytest.mark.parametrize("path", CASES, ids=[path.stem for path in CASES])
def test_a_source_cut_off_anywhere_gets_an_answer(path: Path) -> None:
    data = path.read_bytes()
    for end in range(0, len(data), max(1, len(data) // 60)):
        check(data[:end])


@pytest.mark.parametrize(
    "text",
    [
        "workflow w\n    return " + "(" * 1000 + "1" + ")" * 1000,
        "workflow w\n    return " + "[" * 1000 + "]" * 1000,
        "workflow w\n    return " + "{a: " * 1000 + "1" + "}" * 1000,
        "workflow w\n    return " + "not " * 1000 + "true",
        "workflow w\n    return " + "-" * 1000 + "1",
        "workflow w\n    return " + "1 if a else " * 1000 + "2",
        "workflow w\n    return " + " + ".join(["1"] * 5000),
        "workflow w\n    return " + " ** ".join(["1"] * 1000),
        "workflow w\n    return a" + ".b" * 1000,
        "workflow w\n    return a" + "()" * 1000,
        "workflow w\n    return " + '"{' * 1000 + "x" + '}"' * 1000,
        "workflow w\n    var x: " + "list[" * 1000 + "int" + "]" * 1000,
        "workflow w\n    var x: int" + "?" * 1000,
        "workflow w\n    flow\n        " + "all(" * 1000 + "a" + ")" * 1000,
    ],
)
def test_what_is_nested_a_thousand_deep_is_told_once(text: str) -> None:
    assert [codes.TOO_DEEP] == [diagnostic.code for diagnostic in check(text)]


def test_indentation_a_thousand_deep_is_told_and_bounded() -> None:
    text = "workflow w\n" + "".join(f"{' ' * depth}task t{depth}\n" for depth in range(1, 1000))
    assert {codes.INDENTATION, codes.UNEXPECTED, codes.TOO_MANY} >= {
        diagnostic.code for diagnostic in check(text)
    }


def test_a_hundred_levels_are_read_and_walked() -> None:
    text = "workflow w\n    return " + "(" * 99 + "1" + ")" * 99
    tree, diagnostics = parse(text, "x")
    assert () == diagnostics
    assert "99" in repr(tree) or hash(tree) is not None


@pytest.mark.parametrize(
    "text",
    [
        "workflow w\n    flow\n        start -> " + " -> ".join(f"a{i}" for i in range(4000)),
        "workflow w\n    flow\n        start -> all("
        + ", ".join(f"a{i}" for i in range(4000))
        + ")",
        "workflow w\n    return [" + ", ".join(str(i) for i in range(4000)) + "]",
        "workflow w\n    return f(" + ", ".join(f"a{i} + 1" for i in range(4000)) + ")",
        "workflow w\n    place " + ", ".join(f"p{i}" for i in range(4000)),
        "enum Big: " + ", ".join(f"p{i}" for i in range(4000)),
        "workflow w\n" + "".join(f"    task t{i}\n" for i in range(4000)),
    ],
    ids=["chain", "group", "list", "call", "places", "enum", "tasks"],
)
def test_what_is_long_and_flat_is_read(text: str) -> None:
    assert () == check(text)


def test_a_file_beyond_the_limit_is_refused_at_once() -> None:
    diagnostics = check(b"x" * (10 * 1024 * 1024))
    assert [codes.TOO_LARGE] == [diagnostic.code for diagnostic in diagnostics]
    text = "ß" * (SOURCE_BYTES_MAX // 2 + 1)
    assert [codes.TOO_LARGE] == [diagnostic.code for diagnostic in check(text)]


@pytest.mark.parametrize(
    "piece",
    [
        "(", "([{", ")", "(]", '"', '"{', '"""', '\\"""\n', "(\n", "task a = f(\n", "\t", "a\n",
        "a ", "}", "\n", "-", '"a\n', " x\n", "{\n\n\n", '("\n', '"{(\n',
    ],
)  # fmt: skip
def test_work_grows_in_step_with_the_input(piece: str) -> None:
    def seconds(size: int) -> float:
        text = piece * (size // len(piece))
        best = 1e9
        for _ in range(2):
            start = time.process_time()
            parse(text, "x")
            best = min(best, time.process_time() - start)
        return best

    # Quadratic work would be 64 times as much; the constant forgives a busy machine.
    assert seconds(64_000) < 30 * seconds(8_000) + 0.2


def test_more_than_a_hundred_problems_end_in_a_note() -> None:
    diagnostics = check("workflow w\n" + "    var x int\n" * 300)
    assert DIAGNOSTICS_MAX + 1 == len(diagnostics)
    assert codes.TOO_MANY == diagnostics[-1].code


def test_a_mistake_does_not_hide_the_next_one_and_none_is_invented() -> None:
    good = "    task a = f(x)\n        timeout 5s\n"
    bad = "    task b = f(x) y\n        timeout 5 s\n"
    expected = [(line, codes.UNEXPECTED) for i in range(10) for line in (4 * i + 4, 4 * i + 5)]
    diagnostics = check("workflow w\n" + (good + bad) * 10)
    assert expected == [(diagnostic.span.line, diagnostic.code) for diagnostic in diagnostics]


def test_a_bad_line_keeps_the_names_it_seems_to_declare() -> None:
    text = (
        "from x use a, b c\n"
        "record Item\n    price decimal\n"
        "workflow w\n    task hold = = f(x)\n    vra total: int = 3\n    place p q\n"
    )
    tree, _ = parse(text, "x")
    names = [node.names for node in tree.declarations if isinstance(node, ast.BadStatement)]
    assert [("a", "b", "c"), ("Item",)] == names
    workflow = tree.declarations[-1]
    assert isinstance(workflow, ast.WorkflowDecl)
    inside = [node.names for node in workflow.body if isinstance(node, ast.BadStatement)]
    assert [("hold",), ("total",), ("p", "q")] == inside
