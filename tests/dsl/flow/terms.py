"""Structured flows as terms, with a meaning of their own: what nets are compared with."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import combinations

from hypothesis import strategies as st

from knhk_dsl.syntax import ast
from tests.dsl.flow.trees import chain, group, repeat, workflow


@dataclass(frozen=True)
class Do:
    """A task, or ``skip`` without a name."""

    name: str


@dataclass(frozen=True)
class Seq:
    """One part after the other."""

    parts: tuple[Term, ...]


@dataclass(frozen=True)
class Both:
    """Parts at the same time; or interleaved, which makes no difference to what completes."""

    parts: tuple[Term, ...]
    word: str = "all"


@dataclass(frozen=True)
class Either:
    """One of the parts."""

    parts: tuple[Term, ...]


@dataclass(frozen=True)
class Some:
    """One of the parts or more, at the same time."""

    parts: tuple[Term, ...]


@dataclass(frozen=True)
class Loop:
    """``body`` again and again, tested after or before it."""

    body: Term
    word: str


Term = Do | Seq | Both | Either | Some | Loop
DONE = Seq(())


def derive(term: Term) -> Iterator[tuple[str, Term]]:  # noqa: C901 - one case for each term
    """What a term can do next, and what is left of it; the empty string is a silent step."""
    match term:
        case Do(name):
            yield name, DONE
        case Seq((head, *tail)):
            if head == DONE:
                yield "", Seq(tuple(tail))
            for step, rest in derive(head):
                yield step, Seq((rest, *tail))
        case Both(parts, word):
            if all(part == DONE for part in parts):
                yield "", DONE
            for at, part in enumerate(parts):
                for step, rest in derive(part):
                    yield step, Both((*parts[:at], rest, *parts[at + 1 :]), word)
        case Either(parts):
            for part in parts:
                yield "", part
        case Some(parts):
            for size in range(1, len(parts) + 1):
                for chosen in combinations(parts, size):
                    yield "", Both(chosen)
        case Loop(body, "until"):
            yield "", Seq((body, Loop(body, "while")))
        case Loop(body, "while"):
            yield "", DONE
            yield "", Seq((body, term))
        case _:
            pass


def term_traces(term: Term, length: int) -> set[tuple[str, ...]]:
    """Every order in which tasks may complete, as :func:`token_game.traces` gives them."""
    found: set[tuple[str, ...]] = set()
    seen: set[tuple[Term, tuple[str, ...]]] = {(term, ())}
    stack: list[tuple[Term, tuple[str, ...]]] = [(term, ())]
    while stack:
        left, trace = stack.pop()
        found.add(trace)
        if left == DONE:
            found.add((*trace, "."))
        if len(trace) == length:
            found.update(_ends(left, trace))
            continue
        for step, rest in derive(left):
            state = (rest, (*trace, step) if step else trace)
            if state not in seen:
                seen.add(state)
                stack.append(state)
    return found


def _ends(term: Term, trace: tuple[str, ...]) -> set[tuple[str, ...]]:
    """The trace once more with ``.`` if the term is over as it stands."""
    return {(*trace, ".")} if term == DONE else set()


def to_nodes(term: Term) -> tuple[ast.FlowNode | str, ...]:
    """The term as the nodes of a chain."""
    match term:
        case Do(name):
            return (name or "skip",)
        case Seq(parts):
            return tuple(node for part in parts for node in to_nodes(part))
        case Both(parts, word):
            return (group(word, *(chain(*to_nodes(part)) for part in parts)),)
        case Some(parts):
            return (group("any", *(chain(*to_nodes(part)) for part in parts)),)
        case Either(parts):
            return (group("one", *(chain(*to_nodes(part)) for part in parts)),)
        case Loop(body, word):
            return (repeat(chain(*to_nodes(body)), word),)


def to_workflow(term: Term) -> ast.WorkflowDecl:
    """``start -> term -> end``."""
    return workflow(names(term), [chain("start", *to_nodes(term), "end")])


def names(term: Term) -> list[str]:
    """The tasks of a term, in order."""
    match term:
        case Do(name):
            return [name] if name else []
        case Seq(parts) | Both(parts) | Either(parts) | Some(parts):
            return [name for part in parts for name in names(part)]
        case Loop(body):
            return names(body)


def _several(inner: st.SearchStrategy[Term]) -> st.SearchStrategy[Term]:
    parts = st.lists(inner, min_size=2, max_size=3).map(tuple)
    loops = st.builds(Loop, inner.filter(_loops), st.sampled_from(["until", "while"]))
    both = st.builds(Both, parts, st.sampled_from(["all", "interleave"]))
    return st.one_of(parts.map(Seq), both, parts.map(Either), parts.map(Some), loops)


def _loops(term: Term) -> bool:
    """Whether a term may be a loop's body; OR-joins in loops are the business of other tests."""
    return _works(term) and "Some(" not in repr(term)


def _works(term: Term) -> bool:
    """Whether every way through a term has a task in it, so that a loop of it may rest."""
    match term:
        case Do(name):
            return bool(name)
        case Seq(parts) | Both(parts):
            return any(_works(part) for part in parts)
        case Either(parts) | Some(parts):
            return all(_works(part) for part in parts)
        case Loop(body, word):
            return word == "until" and _works(body)


def _number(term: Term) -> Term:
    """Give every task a name of its own."""
    count = 0

    def walk(term: Term) -> Term:
        nonlocal count
        match term:
            case Do(""):
                return term
            case Do():
                count += 1
                return Do(f"t{count}")
            case Seq(parts):
                return Seq(tuple(walk(part) for part in parts))
            case Both(parts, word):
                return Both(tuple(walk(part) for part in parts), word)
            case Some(parts):
                return Some(tuple(walk(part) for part in parts))
            case Either(parts):
                return Either(tuple(walk(part) for part in parts))
            case Loop(body, word):
                return Loop(walk(body), word)

    return walk(term)


#: Random structured flows of a few tasks.
terms: st.SearchStrategy[Term] = st.recursive(
    st.sampled_from([Do("t"), Do("t"), Do("t"), Do("")]), _several, max_leaves=6
).map(_number)
