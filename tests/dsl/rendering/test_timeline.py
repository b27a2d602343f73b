"""A run drawn as a timeline."""

from __future__ import annotations

import re

import pytest

from knhk.errors import Run, Step
from knhk_dsl.rendering.timeline import ASCII, BARS_MAX, STEPS_MAX, timeline
from tests.dsl.rendering.found import RUN

COLOUR = re.compile(r"\x1b\[\d+m")


def test_what_is_at_work_meanwhile_has_a_bar_from_its_start_to_its_end() -> None:
    expected = """\
  run: the shortest that leads there
    1 ●     receive
    2 ├─╮   charge starts
    3 ● │   check -> pack, label
    4 ├─┼─╮ ship starts
    5 ├─╯ │ charge fails with PaymentDeclined -> refuse
    6 ●   │ refuse
      ■   │ 1 token in checked, 2 in tray
            at work: ship
"""
    assert expected == "\n".join(timeline(RUN)) + "\n"


def test_without_parallel_work_there_are_no_bars() -> None:
    run = Run((Step("a"), Step("b", choice=("c",))), (("p", 3),), shortest=False)
    expected = [
        "  run: one that leads there, and there may be a shorter one",
        "    1 ● a",
        "    2 ● b -> c",
        "      ■ 3 tokens in p",
    ]
    assert expected == timeline(run)


def test_what_is_so_from_the_beginning_has_no_steps() -> None:
    expected = ["  run: it is so from the beginning", "      ■ 1 token in p"]
    assert expected == timeline(Run((), (("p", 1),)))


def test_a_run_that_leaves_nothing_ends_with_its_last_step() -> None:
    assert "    1 ● a" == timeline(Run((Step("a"),)))[-1]


def test_a_bar_that_is_free_again_is_taken_by_the_next_task() -> None:
    steps = (Step("a", "starts"), Step("b", "starts"), Step("a"), Step("c", "starts"), Step("b"))
    signs = [line[6:11] for line in timeline(Run(steps))[1:]]
    assert ["├─╮  ", "├─┼─╮", "├─╯ │", "├─╮ │", "├─┼─╯"] == signs


def test_two_items_of_one_task_have_two_bars() -> None:
    steps = (Step("a", "starts"), Step("a", "starts"), Step("a"))
    lines = timeline(Run(steps, working=("a",)))
    assert ["    3 ├─╯ │ a", "      ■   │ at work: a"] == lines[-2:]


def test_several_items_at_work_are_counted() -> None:
    assert "      ■ at work: a (2 times), b" == timeline(Run((), working=("a", "a", "b")))[-1]


@pytest.mark.parametrize("length", [STEPS_MAX, STEPS_MAX + 1, 1_000])
def test_of_a_long_run_the_middle_is_left_out(length: int) -> None:
    lines = timeline(Run(tuple(Step(f"t{number}") for number in range(1, length + 1))))
    assert STEPS_MAX == len(lines) - 1
    assert "    1 ● t1" == lines[1]
    assert f"{length:>5} ● t{length}" == lines[-1]
    left_out = [line for line in lines if "more steps" in line]
    shown = STEPS_MAX - len(left_out)
    assert [f"      ⋮ ({length - shown} more steps)"] * (length > STEPS_MAX) == left_out


def test_a_long_step_goes_on_below_its_words_and_ends_at_80_columns() -> None:
    names = tuple(f"a_rather_long_name_{number}" for number in range(9))
    run = Run((Step("x", "starts"), Step("y", choice=names)), tuple((n, 1) for n in names), ("x",))
    lines = timeline(run)
    assert all(len(line) <= 80 for line in lines)
    assert "      │ │   " == lines[3][:12]
    for name in names:
        assert 2 == sum(name in line for line in lines)


def test_more_parallel_work_than_there_is_room_for_is_told_without_bars() -> None:
    steps = tuple(Step(f"t{number}", "starts") for number in range(BARS_MAX + 3))
    lines = timeline(Run(steps, working=tuple(step.task for step in steps)))
    assert f"{BARS_MAX + 3:>5} ●{' │' * BARS_MAX} t{BARS_MAX + 2} starts" in lines
    assert all(len(line) <= 80 for line in lines)


def test_colour_changes_nothing_but_the_colour() -> None:
    coloured = "\n".join(timeline(RUN, colour=True))
    assert "\x1b[34m●" in coloured
    assert "\n".join(timeline(RUN)) == COLOUR.sub("", coloured)


def test_the_signs_have_others_that_every_terminal_can_show() -> None:
    drawn = "\n".join(timeline(RUN)).translate(ASCII)
    assert drawn.isascii()
    assert "    4 +-+-\\ ship starts" in drawn


def test_names_that_a_terminal_would_act_upon_are_not_passed_on() -> None:
    assert "\x1b" not in "".join(timeline(Run((Step("\x1b[31mred"),), (("\x1b[0m", 1),))))
