"""What a running case shows: a row for each task, or a line for each event."""

from __future__ import annotations

import logging
import re

import pytest

from knhk.cli.progress import ROWS_MAX, TASKS_MAX, Board, line, progress
from knhk.engine import Event


def event(what: str, task: str = "", item: int = -1, **more: object) -> Event:
    return Event(at_us=0, case="A1", what=what, task=task, item=item, **more)  # type: ignore[arg-type]


def test_a_line_tells_when_which_case_which_task_and_what() -> None:
    said = line(event("failed", "charge", 3, attempt=2, message="declined:\n  no money"))

    assert re.fullmatch(
        r"\d\d:\d\d:\d\d\.000 A1 charge failed \(attempt 2\): declined: no money", said
    )


def test_a_line_about_a_case_names_no_task() -> None:
    assert "A1 case completed" == line(event("case completed")).split(maxsplit=1)[1]


def test_a_store_that_is_away_is_told_in_a_line_and_is_no_case_on_the_board() -> None:
    away, board = Event(0, "", "store away", message="the server is down"), Board()
    board.tell(away)

    assert "knhk store away: the server is down" == line(away).split(maxsplit=1)[1]
    assert [] == board.rows()


def test_the_board_counts_the_items_of_a_task_by_their_state() -> None:
    board = Board()
    for item in (1, 2, 3):
        board.tell(event("offered", "pack", item))
    board.tell(event("started", "pack", 1))
    board.tell(event("started", "pack", 2))
    board.tell(event("completed", "pack", 1))

    assert [("A1", "pack", "1 waiting, 1 running, 1 done", "")] == board.rows()


def test_an_item_that_is_tried_again_keeps_its_failed_attempt_on_the_board() -> None:
    board = Board()
    board.tell(event("offered", "charge", 1))
    board.tell(event("started", "charge", 1, attempt=1))
    board.tell(event("failed", "charge", 1, attempt=1, message="no answer"))
    board.tell(event("offered", "charge", 1))

    assert [("A1", "charge", "1 waiting, 1 failed attempts", "")] == board.rows()


def test_the_board_shows_the_tasks_that_changed_last_and_keeps_a_bounded_number() -> None:
    board = Board()
    for number in range(TASKS_MAX + 10):
        board.tell(event("offered", f"t{number}", number))
    board.tell(event("completed", "t0", 0))

    rows = board.rows()
    assert ROWS_MAX == len(rows)
    assert ("A1", "t0", "1 done", "") == rows[-1]


def test_the_table_has_a_row_for_each_task_and_each_case() -> None:
    board = Board()
    board.tell(event("started", "pack", 1))
    board.tell(event("case completed"))

    assert 2 == board.table().row_count


def test_what_a_workflow_logs_is_shown_and_only_while_it_runs(
    capsys: pytest.CaptureFixture[str],
) -> None:
    logger = logging.getLogger("knhk.log")
    with progress():
        logger.info("order A1 was refused")
        logger.debug("too fine")
    logger.info("after the end")
    assert ("", "info: order A1 was refused\n") == capsys.readouterr()
