"""Comments that silence a finding."""

from __future__ import annotations

import pytest

from knhk.errors import ERROR, WARNING, Diagnostic, Span
from knhk_dsl.silencing import Silenced, allows, silence


def found(line: int, code: str = "KN212", severity: str = WARNING, file: str = "a") -> Diagnostic:
    return Diagnostic(code, "it is so", Span(file, line, 5, line, 9), severity=severity)


def told(diagnostics: tuple[Diagnostic, ...]) -> list[str]:
    return [f"{each.span.line} {each.code} {each.message}" for each in diagnostics]


def both(
    text: str, *diagnostics: Diagnostic, explored: bool = True
) -> tuple[list[str], list[Silenced]]:
    """What is shown of these findings in the file `a`, and what is silenced."""
    shown, silenced = silence(diagnostics, {"a": text}, explored=explored)
    return told(shown), list(silenced)


@pytest.mark.parametrize(
    "text",
    [
        "x  # knhk: allow KN212 because of the rain",
        "x  #knhk:allow KN212 because of the rain  ",
        "x  # knhk: allow kn212, KN714 because of the rain",
        "# knhk: allow KN212 because of the rain\nx",
        "\ufeff  # knhk: allow KN212 because of the rain\r\n  # of another kind\r\nx",
    ],
)
def test_a_warning_is_silenced_on_its_line_and_on_the_line_after(text: str) -> None:
    line = text.count("\n") + 1
    other = found(line, "KN714")

    shown, silenced = both(text, found(line), other)

    assert Silenced(found(line), "of the rain") == silenced[0]
    assert all("KN212" not in each for each in shown)


def test_without_comments_everything_is_shown_by_place() -> None:
    shown, silenced = both("x\ny", found(2), found(1, "KN301", ERROR))
    assert (["1 KN301 it is so", "2 KN212 it is so"], []) == (shown, silenced)


def test_what_the_exploration_finds_may_be_silenced_although_it_is_an_error() -> None:
    stuck = found(1, "KN701", ERROR)
    text = "x  # knhk: allow KN701 because a person mends it"
    assert ([], [Silenced(stuck, "a person mends it")]) == both(text, stuck)


def test_all_findings_of_the_code_on_the_line_are_silenced_and_no_others() -> None:
    text = "x  # knhk: allow KN212 because so\ny"
    other = Diagnostic("KN212", "so is this", Span("a", 1, 1, 1, 2), severity=WARNING)

    shown, silenced = both(text, found(1), other, found(2), found(1, "KN213"))

    assert ["1 KN213 it is so", "2 KN212 it is so"] == shown
    assert [found(1), other] == [each.diagnostic for each in silenced]


def test_a_finding_in_another_file_is_not_silenced() -> None:
    shown, _ = silence(
        [found(1, file="b")], {"a": "x  # knhk: allow KN212 because so", "b": "x"}, judged=()
    )
    assert (found(1, file="b"),) == shown


@pytest.mark.parametrize(
    "text,message",
    [
        ("x  # knhk: allow KN212", "KN731 nothing says why KN212 may stand, so it is not silenced"),
        ("x  # knhk: allow KN212 because ", "KN731 nothing says why KN212 may stand"),
        ("x  # knhk: alow KN212 because so", "KN732 `# knhk: alow` means nothing"),
        ("x  # knhk: allow because so", "KN732 this comment names no code"),
        ("x  # knhk: allow KN213 because so", "KN732 there is no KN213 on line 1"),
        ("x  # knhk: allow KN313x because so", "KN732 there is no diagnostic `KN313X`"),
        ("x  # knhk: allow KN301 because so", "KN732 KN301 cannot be silenced: only warnings"),
        ("x  # knhk: allow KN732 because so", "KN732 KN732 cannot be silenced"),
        ("x\n\n# knhk: allow KN212 because so\n\nx", "KN732 there is no KN212 on line 4"),
        ("x  # knhk: allow KN212 becauseso", "KN731 nothing says why"),
    ],
)
def test_a_comment_that_silences_nothing_is_a_warning_itself(text: str, message: str) -> None:
    shown, silenced = silence([found(1)], {"a": text})

    assert () == silenced
    (note,) = (each for each in shown if each != found(1))
    assert f"{note.code} {note.message}".startswith(message)
    line = text.split("\n")[note.span.line - 1]
    assert (WARNING, "# knhk:") == (note.severity, line[note.span.column - 1 :][:7])
    assert note.span.end_column == len(line.rstrip()) + 1
    assert note.hint


def test_an_error_that_cannot_be_silenced_is_shown_and_the_comment_too() -> None:
    shown, silenced = both("x  # knhk: allow KN301 because so", found(1, "KN301", ERROR))
    assert [] == silenced
    assert ["1 KN732 KN301", "1 KN301 it is"] == [each[:13] for each in shown]


def test_a_comment_for_the_exploration_is_not_judged_when_there_was_none() -> None:
    text = "x  # knhk: allow KN701 because so"
    assert ([], []) == both(text, explored=False)
    assert ["1 KN301 it is so"] == both(text, found(1, "KN301", ERROR))[0]
    assert ["1 KN732 there is no KN701 on line 1, so this comment silences nothing"] == (
        both(text, found(2, "KN701", ERROR))[0][:1]
    )


def test_comments_in_files_that_are_not_judged_silence_and_are_not_told_on() -> None:
    texts = {"a": "x  # knhk: allow KN212 because so\ny  # knhk: allow KN213 because so"}
    shown, silenced = silence([found(1)], texts, judged={"b"})
    assert ((), [found(1)]) == (shown, [each.diagnostic for each in silenced])


@pytest.mark.parametrize(
    "text",
    [
        'x = "# knhk: allow KN212 because so"',
        '"""Write\n# knhk: allow KN212 because so\n"""',
        'x = "a \\" # knhk: allow KN212 because so"',
        "# as in knhk: allow KN212 because so",
    ],
)
def test_what_only_looks_like_such_a_comment_is_none(text: str) -> None:
    assert [] == list(allows(text, "a"))


def test_a_quote_in_a_comment_or_a_text_left_open_hides_no_comment_behind_it() -> None:
    text = 'a  # say "hello\nb = "open\nc  # knhk: allow KN212 because so'
    assert [(3, 3, "so")] == [
        (each.line, each.span.line, each.reason) for each in allows(text, "a")
    ]
