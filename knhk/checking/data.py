"""How data flow in a workflow, each finding with the run that shows it.

A result or a variable that is read where it may not have been set; a variable that two parallel
branches write; a write that nothing reads.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import replace
from itertools import combinations
from typing import Final

from knhk.errors import WARNING, Diagnostic
from knhk.model import SPLIT_XOR, Net
from knhk.soundness import THE_END, Inquiry
from knhk_dsl.check.data import Read, Write, reads, writes
from knhk_dsl.check.workflow import CheckedWorkflow
from knhk_dsl.flow.availability import Availability

UNTESTED: Final = "KN303"
RESULT_MISSING: Final = "KN711"
VARIABLE_UNSET: Final = "KN712"
UNREAD: Final = "KN713"
PARALLEL: Final = "KN714"
#: How many reads of one workflow are looked into.
READS_MAX: Final = 200


def with_runs(
    found: Iterable[Diagnostic], workflow: CheckedWorkflow, inquiry: Inquiry
) -> list[Diagnostic]:
    """The diagnostics, those of untested values with a run on which the value is missing."""
    diagnostics = list(found)
    if all(diagnostic.code != UNTESTED for diagnostic in diagnostics):
        return diagnostics
    by_span = {read.span: read for read in reads(workflow)}
    explained: list[Diagnostic] = []
    for diagnostic in diagnostics:
        read = by_span.get(diagnostic.span) if diagnostic.code == UNTESTED else None
        if read is None or diagnostic.run is not None:
            explained.append(diagnostic)
        else:
            run = inquiry.run_without(
                _makers(workflow, inquiry.net, read), _node(inquiry.net, read)
            )
            explained.append(replace(diagnostic, run=run))
    return explained


def check_data(workflow: CheckedWorkflow, inquiry: Inquiry) -> Iterator[Diagnostic]:
    """What is wrong with the data flow of a workflow."""
    all_reads = list(reads(workflow))
    yield from _missing(workflow, all_reads, inquiry)
    yield from _unread(workflow, all_reads, inquiry.net)
    yield from _parallel(workflow, inquiry)


def _missing(
    workflow: CheckedWorkflow, all_reads: list[Read], inquiry: Inquiry
) -> Iterator[Diagnostic]:
    """Values of any type, which the checker of types lets pass, that may be missing."""
    assert workflow.graph is not None
    available = Availability(workflow.graph)
    open_reads = [
        read
        for read in all_reads
        if not read.tested and _is_open(workflow, read) and not _is_certain(available, read)
    ]
    for read in open_reads[:READS_MAX]:
        run = inquiry.run_without(_makers(workflow, inquiry.net, read), _node(inquiry.net, read))
        if run is None:
            continue
        if read.name in workflow.tasks:
            code = RESULT_MISSING
            message = f"the task `{read.name}` may not have run here, so that its result is none"
        else:
            code = VARIABLE_UNSET
            message = f"the variable `{read.name}` may not have been set here, so that it is none"
        hint = f"test it: ... if {read.name} != none else ..., or use coalesce(...)"
        yield Diagnostic(code, message, read.span, hint, WARNING, run=run)


def _is_certain(available: Availability, read: Read) -> bool:
    """Whether the task whose result is read has completed, whatever happened."""
    if not read.node:
        return read.name in available.at_end
    return read.name in (available.after if read.after else available.before)(read.node)


def _is_open(workflow: CheckedWorkflow, read: Read) -> bool:
    """Whether a value may be anything, none too, and is not there from the beginning."""
    if read.name in workflow.tasks:
        return str(workflow.tasks[read.name].result) == "json"
    declaration, type_ = workflow.variables[read.name]
    return declaration.initial is None and str(type_) == "json"


def _makers(workflow: CheckedWorkflow, net: Net, read: Read) -> frozenset[int]:
    """The tasks any of which would have set what is read."""
    if read.name in workflow.tasks:
        names = {read.name}
    else:
        names = {write.task for write in writes(workflow) if write.name == read.name}
    if read.after:
        names.discard(read.node)
    return frozenset(number for number, node in enumerate(net.nodes) if node.name in names)


def _node(net: Net, read: Read) -> int:
    if not read.node:
        return THE_END
    return next(number for number, node in enumerate(net.nodes) if node.name == read.node)


def _unread(workflow: CheckedWorkflow, all_reads: list[Read], net: Net) -> Iterator[Diagnostic]:
    """Writes of variables that nothing which can come later reads."""
    readers: dict[str, set[str]] = {}
    for read in all_reads:
        readers.setdefault(read.name, set()).add(read.node)
    for write in writes(workflow):
        later = {"", *_behind(net, write.task)}
        if later.isdisjoint(readers.get(write.name, set())):
            yield Diagnostic(
                UNREAD,
                f"nothing reads `{write.name}` after `{write.task}` has set it",
                write.span,
                "remove the line, or use the variable",
                WARNING,
            )


def _behind(net: Net, task: str) -> set[str]:
    """The nodes that may act after a task has completed, and itself for its guards.

    Where branches run beside each other, that may be any node.
    """
    if any(len(node.outputs) > 1 and node.split != SPLIT_XOR for node in net.nodes):
        return {node.name for node in net.nodes}
    users: dict[int, list[int]] = {}
    for number, node in enumerate(net.nodes):
        for place in (*node.inputs, node.while_place):
            users.setdefault(place, []).append(number)
    pending = [number for number, node in enumerate(net.nodes) if node.name == task]
    seen = set(pending)
    while pending:
        node = net.nodes[pending.pop()]
        ahead = [arrow.place for arrow in node.outputs] + [exc.place for exc in node.exceptions]
        for number in [user for place in ahead for user in users.get(place, [])]:
            if number not in seen:
                seen.add(number)
                pending.append(number)
    return {net.nodes[number].name for number in seen}


def _parallel(workflow: CheckedWorkflow, inquiry: Inquiry) -> Iterator[Diagnostic]:
    numbers = {node.name: number for number, node in enumerate(inquiry.net.nodes)}
    by_name: dict[str, list[Write]] = {}
    for write in writes(workflow):
        by_name.setdefault(write.name, []).append(write)
    writers = [frozenset(numbers[each.task] for each in found) for found in by_name.values()]
    runs = inquiry.runs_together(writers)
    for name, found in by_name.items():
        for first, second in combinations(found, 2):
            pair = sorted([numbers[first.task], numbers[second.task]])
            run = runs.get((pair[0], pair[1]))
            if run is None:
                continue
            yield Diagnostic(
                PARALLEL,
                f"`{first.task}` and `{second.task}` may run at the same time,"
                f" and both set `{name}`",
                second.span,
                "let one task after the join set it, or give each branch its own variable",
                WARNING,
                ((first.span, f"`{first.task}` sets it here"),),
                run,
            )
