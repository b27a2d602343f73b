"""Random flows without structure: every task goes on somewhere, alone or by a group."""

from __future__ import annotations

from hypothesis import strategies as st

from knhk_dsl import ast
from tests.dsl.flow.trees import chain, group, workflow

TASKS = tuple(f"t{number}" for number in range(6))


@st.composite
def flows(draw: st.DrawFn) -> ast.WorkflowDecl:
    """Splits, joins, loops back, exceptions, a named place, ``end`` and ``stop``, at random."""
    fresh = list(TASKS[1:])

    def target() -> str:
        """Some place to go to; mostly a task that nothing leads to yet."""
        if fresh and draw(st.sampled_from([True, True, True, False])):
            return fresh.pop(0)
        return draw(st.sampled_from([*TASKS, "p", "end", "end", "stop"]))

    def other_than(name: str) -> str:
        return next(other for other in iter(target, "") if other != name)

    chains = [chain("start", TASKS[0]), chain("p", target())]
    left = list(TASKS)
    while left:
        task = left.pop(0)
        form = draw(st.sampled_from(["to", "to", "all", "one", "join", "merge"]))
        if form in ("all", "one"):
            first = target()
            chains.append(chain(task, group(form, chain(first), chain(other_than(first)))))
        elif form in ("join", "merge") and left:
            other = left.pop(draw(st.integers(0, len(left) - 1)))
            word = "all" if form == "join" else "one"
            heads = group(word, chain(task), chain(other), parts=False)
            chains.append(chain(heads, target()))
        else:
            chains.append(chain(task, target()))
        if draw(st.integers(0, 3)) == 0:
            chains.append(chain(task, target(), on=("error", "")))
    return workflow(TASKS, chains, ["p"])
