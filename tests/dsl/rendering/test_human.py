"""How diagnostics look to people."""

from __future__ import annotations

from knhk.errors import WARNING, Diagnostic, Run, Span, Step
from knhk_dsl.rendering.human import WIDTH_MAX, render_human


def diagnostic(span: Span, **more: object) -> Diagnostic:
    return Diagnostic("KN101", "something is wrong", span, **more)  # type: ignore[arg-type]


def test_the_place_is_underlined_below_its_line() -> None:
    text = "workflow w\n    var total int\n"
    shown = render_human(
        [diagnostic(Span("a.knhk", 2, 9, 2, 14), hint="do it so")], {"a.knhk": text}
    )
    expected = (
        "a.knhk:2:9: error[KN101]: something is wrong\n"
        "    2 |     var total int\n"
        "      |         ^^^^^\n"
        "  hint: do it so\n"
    )
    assert expected == shown


def test_tabs_and_wide_characters_keep_the_caret_in_its_column() -> None:
    shown = render_human([diagnostic(Span("a", 1, 5, 1, 7))], {"a": "\t漢e\u0301字字x"})
    lines = shown.split("\n")
    assert "    1 |  漢e\u0301字字x" == lines[1]
    assert "      |     ^^^^" == lines[2]


def test_a_very_long_line_is_clipped_around_the_place() -> None:
    text = "a" * 5000 + "HERE" + "b" * 5000
    lines = render_human([diagnostic(Span("a", 1, 5001, 1, 5005))], {"a": text}).split("\n")
    assert len(lines[1]) <= WIDTH_MAX + 20
    caret = lines[2].index("^")
    assert "HERE" == lines[1][caret : caret + 4]
    assert lines[2].count("^") == 4


def test_a_place_over_several_lines_is_underlined_to_the_end_of_the_first() -> None:
    lines = render_human([diagnostic(Span("a", 1, 3, 3, 2))], {"a": "f(abc\nd\n)"}).split("\n")
    assert "      |   ^^^" == lines[2]


def test_a_place_behind_the_end_of_a_line_has_one_caret() -> None:
    lines = render_human([diagnostic(Span("a", 1, 4, 1, 5))], {"a": "abc"}).split("\n")
    assert "      |    ^" == lines[2]


def test_related_places_and_warnings_are_shown() -> None:
    related = ((Span("b", 1, 1, 1, 4), "the first one"),)
    shown = render_human(
        [diagnostic(Span("a", 1, 1, 1, 2), severity=WARNING, related=related)],
        {"a": "x", "b": "abc"},
    )
    expected = (
        "a:1:1: warning[KN101]: something is wrong\n"
        "    1 | x\n"
        "      | ^\n"
        "  see b:1:1: the first one\n"
        "    1 | abc\n"
        "      | ^^^\n"
    )
    assert expected == shown


def test_a_file_that_is_not_at_hand_is_named_without_its_line() -> None:
    shown = render_human([diagnostic(Span("gone", 7, 1, 7, 2))], {})
    assert "gone:7:1: error[KN101]: something is wrong\n" == shown


def test_nothing_is_shown_for_no_diagnostics() -> None:
    assert "" == render_human([], {})


def test_what_a_terminal_would_act_upon_is_not_passed_on() -> None:
    shown = render_human([diagnostic(Span("a", 1, 1, 1, 2))], {"a": "\x1b[31mred\x07"})
    assert "\x1b" not in shown
    assert "\x07" not in shown


def test_colour_changes_nothing_but_the_colour() -> None:
    found = [diagnostic(Span("a", 1, 1, 1, 2), hint="so")]
    coloured = render_human(found, {"a": "abc"}, colour=True)
    assert "\x1b[31m" in coloured
    plain = coloured
    for tint in ("\x1b[31m", "\x1b[34m", "\x1b[1m", "\x1b[0m"):
        plain = plain.replace(tint, "")
    assert render_human(found, {"a": "abc"}) == plain


def test_a_run_is_drawn_between_the_source_line_and_the_hint() -> None:
    run = Run((Step("pay"), Step("decide", choice=("fly",))), (("fly -> deliver", 1),))
    shown = render_human([diagnostic(Span("a", 1, 1, 1, 2), hint="so", run=run)], {"a": "x"})
    expected = (
        "a:1:1: error[KN101]: something is wrong\n"
        "    1 | x\n"
        "      | ^\n"
        "  run: the shortest that leads there\n"
        "    1 ● pay\n"
        "    2 ● decide -> fly\n"
        "      ■ 1 token in fly -> deliver\n"
        "  hint: so\n"
    )
    assert expected == shown
