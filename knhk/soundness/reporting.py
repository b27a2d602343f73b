"""What was found out about a workflow, as diagnostics."""

from __future__ import annotations

from typing import Final

from knhk.errors import ERROR, WARNING, Diagnostic, Span
from knhk.model import NODE_END, Net
from knhk.soundness.causes import cause_of, listed, named, sources
from knhk.soundness.proving import Answer, Kind, Problem, Verdict

STUCK: Final = "KN701"
LEFT: Final = "KN702"
DEAD: Final = "KN703"
UNBOUNDED: Final = "KN704"
HOPELESS: Final = "KN705"
UNDECIDED: Final = "KN706"


def diagnostics_of(net: Net, verdict: Verdict) -> list[Diagnostic]:
    """The diagnostics of one workflow, in the order of their importance.

    That a task can never run is not said where a case gets stuck before it.
    """
    if verdict.answer is Answer.unknown:
        return [
            Diagnostic(
                UNDECIDED,
                f"whether workflow `{net.name}` is sound could not be decided: {verdict.reason}",
                _span(net, -1),
                "give it more time with --limit, or divide the workflow into sub-workflows",
                WARNING,
            )
        ]
    stuck = {node for each in verdict.problems if each.kind is Kind.stuck for node in each.nodes}
    return [
        _diagnostic(net, verdict, problem)
        for problem in verdict.problems
        if problem.kind is not Kind.dead or stuck.isdisjoint(problem.nodes)
    ]


def _diagnostic(net: Net, verdict: Verdict, problem: Problem) -> Diagnostic:
    if problem.kind is Kind.stuck:
        return _stuck(net, verdict, problem)
    if problem.kind is Kind.unbounded:
        return _unbounded(net, problem)
    if problem.kind is Kind.hopeless:
        return _hopeless(net, problem)
    return _dead(net, problem)


def _stuck(net: Net, verdict: Verdict, problem: Problem) -> Diagnostic:
    assert verdict.moves is not None
    causes = [
        cause_of(verdict.moves, node, problem.passages, list(problem.counts))
        for node in problem.nodes
    ]
    words = "; ".join(dict.fromkeys(cause.words for cause in causes)) or "nothing can go on"
    related = tuple(
        (span, "this is what keeps it waiting")
        for culprit in dict.fromkeys(cause.culprit for cause in causes)
        if culprit >= 0 and (span := net.nodes[culprit].span) is not None
    )
    at = problem.nodes[0] if problem.nodes else -1
    ended = any(net.nodes[one.transition.node].kind == NODE_END for one in problem.passages)
    code = LEFT if ended else STUCK
    what = "the case comes to an end with tokens left behind" if ended else "the case can get stuck"
    hint = causes[0].hint if causes else ""
    return Diagnostic(code, f"{what}: {words}", _span(net, at), hint, ERROR, related, problem.run)


def _unbounded(net: Net, problem: Problem) -> Diagnostic:
    grown = listed(named(net, node) for node in problem.nodes)
    return Diagnostic(
        UNBOUNDED,
        f"more and more work can pile up before {grown}: each round adds to it",
        _span(net, problem.nodes[0] if problem.nodes else -1),
        "let the round go on only when what it began has come back: join before going round",
        ERROR,
        (),
        problem.run,
    )


def _hopeless(net: Net, problem: Problem) -> Diagnostic:
    names = listed(named(net, node) for node in problem.nodes)
    return Diagnostic(
        HOPELESS,
        f"the case can come to where it never ends: {names} can only go round",
        _span(net, problem.nodes[0] if problem.nodes else -1),
        "give the round a way out",
        ERROR,
        (),
        problem.run,
    )


def _dead(net: Net, problem: Problem) -> Diagnostic:
    number = problem.nodes[0]
    node = net.nodes[number]
    before = listed((sources(net, place) for place in node.inputs), "and")
    return Diagnostic(
        DEAD,
        f"`{node.name}` can never run: what it waits for never comes together ({before})",
        _span(net, number),
        "look at the choices before it, or delete it",
        ERROR,
    )


def _span(net: Net, node: int) -> Span:
    span = net.nodes[node].span if node >= 0 else None
    found = span or net.span
    return found if found is not None else Span("", 1, 1, 1, 1)


__all__ = ["diagnostics_of"]
