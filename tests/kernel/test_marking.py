"""The agenda: routing transitions come out in net order."""

from __future__ import annotations

import hypothesis.strategies as st
from hypothesis import given

from knhk.kernel import Program
from knhk.kernel.marking import Marking

from .nets import Drawing


@given(st.lists(st.integers(0, 50)))
def test_the_agenda_gives_the_lowest_transition_first(numbers: list[int]) -> None:
    marking = Marking(Program(Drawing().route("r", "start").net()))
    for number in numbers:
        marking.push(number)
    assert [marking.pop() for _ in range(len(numbers) + 1)] == [*sorted(numbers), -1]
