"""Diagnostics as workflow commands of GitHub Actions."""

from __future__ import annotations

from knhk_dsl.rendering.github import render_github
from tests.dsl.rendering.found import LONG, STUCK, UNUSED


def test_a_warning_is_one_line_with_its_place() -> None:
    expected = (
        "::warning file=b.knhk,line=3,endLine=3,col=9,endColumn=13,title=KN212"
        "::the variable `rest` is never used\n"
    )
    assert expected == render_github([UNUSED])


def test_hint_and_run_follow_on_lines_of_their_own() -> None:
    (line,) = render_github([STUCK]).splitlines()
    head, _, message = line.removeprefix("::").partition("::")
    assert head.startswith("error file=orders/big order.knhk,line=7,")
    run = (
        "run, the shortest that leads there: receive; charge starts; check -> pack, label;"
        " ship starts; charge fails with PaymentDeclined -> refuse; refuse:"
        " 1 token in checked, 2 in tray; at work: ship"
    )
    first = "the case can get stuck: `deliver` waits for `drive`"
    last = "hint: join with one(...) what one(...) has parted"
    assert [first, run, last] == message.split("%0A")


def test_signs_with_a_meaning_are_escaped_and_columns_left_out_of_several_lines() -> None:
    expected = (
        "::error file=c%2Cd%3Ae.knhk,line=1,endLine=3,title=KN301::100%25 wrong,%0Asays: one\n"
    )
    assert expected == render_github([LONG])


def test_without_diagnostics_there_is_nothing() -> None:
    assert "" == render_github([])
