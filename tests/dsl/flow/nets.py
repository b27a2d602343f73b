"""Random flows without structure: every task goes on somewhere, alone or by a group."""

from __future__ import annotations

from hypothesis import strategies as st

from knhk_dsl.syntax import ast
from tests.dsl.flow.trees import cancels, chain, group, workflow

TASKS = tuple(f"t{number}" for number in range(6))
#: Words that part into two branches, and forms that join two of them.
PARTING = ("all", "one", "any", "first", "pick")
JOINING = ("join by all", "join by one", "join by any", "join by first", "join by of")


@st.composite
def flows(draw: st.DrawFn) -> ast.WorkflowDecl:
    """Splits, joins, loops back, exceptions, cancellation, places, ``end`` and ``stop``."""
    fresh = list(TASKS[1:])

    def target() -> str:
        """Some place to go to; mostly a task that nothing leads to yet."""
        if fresh and draw(st.sampled_from([True, True, True, False])):
            return fresh.pop(0)
        return draw(st.sampled_from([*TASKS, "p", "end", "end", "stop"]))

    def other_than(name: str) -> str:
        return next(other for other in iter(target, "") if other != name)

    chains = [chain("start", TASKS[0])]
    followers = draw(st.lists(st.sampled_from(TASKS), min_size=1, max_size=2, unique=True))
    chains += [chain("p", follower) for follower in followers]
    left = list(TASKS)
    while left:
        task = left.pop(0)
        form = draw(st.sampled_from(["to", "to", *PARTING, *JOINING]))
        if form in PARTING:
            first = target()
            chains.append(chain(task, group(form, chain(first), chain(other_than(first)))))
        elif form in JOINING and left:
            other = left.pop(draw(st.integers(0, len(left) - 1)))
            word = form.removeprefix("join by ")
            heads = group(
                word,
                chain(task),
                chain(other),
                parts=False,
                count=draw(st.integers(1, 2)) if word == "of" else None,
                cancelling=word in ("first", "of") and draw(st.booleans()),
            )
            chains.append(chain(heads, target()))
        else:
            chains.append(chain(task, target()))
        if draw(st.integers(0, 3)) == 0:
            chains.append(chain(task, target(), on=("error", "")))
    cancelled = draw(st.lists(st.sampled_from([*TASKS, "p"]), max_size=2, unique=True))
    lines = {draw(st.sampled_from(TASKS)): cancels(*cancelled)} if cancelled else {}
    return workflow(TASKS, chains, ["p"], lines)
