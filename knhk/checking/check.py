"""The whole check of sources: names, types and flow, then every workflow as a net.

The compiler's passes find what is wrong with the text (:func:`knhk_dsl.check_sources`). Of
every workflow whose flow has no error the net is then explored, whatever is wrong with its
types: whether it is sound (:mod:`knhk.soundness`), how its data flow
(:mod:`knhk.checking.data`), and what hurts in production (:mod:`knhk.checking.practice`,
:mod:`knhk.checking.messages`).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from knhk.checking.data import check_data, with_runs
from knhk.checking.guards import combined, worlds
from knhk.checking.messages import Senders, check_messages
from knhk.checking.practice import check_practice
from knhk.errors import ERROR, Diagnostic
from knhk.model import Net
from knhk.soundness import LIMIT_S, Answer, Inquiry, Verdict, diagnostics_of, prove
from knhk_dsl import Sources
from knhk_dsl.check.workflow import CheckedWorkflow
from knhk_dsl.compilation import Analysis, analyse
from knhk_dsl.environment import Environment
from knhk_dsl.flow.outline import outline


@dataclass(frozen=True)
class Checked:
    """What a check has found: the diagnostics by place, and the verdict for each workflow.

    The verdicts go by the file of a workflow and its name.
    """

    diagnostics: tuple[Diagnostic, ...]
    verdicts: dict[tuple[str, str], Verdict]


def check(
    sources: Sources,
    environment: Environment,
    *,
    limit_s: float = LIMIT_S,
    senders: Senders | None = None,
) -> Checked:
    """Every problem of the sources; each workflow is explored for ``limit_s`` seconds at most.

    ``senders`` may be shared by the checks of several files of one project, so that its Python
    is read once.
    """
    analysis = analyse(sources, environment)
    found = list(analysis.diagnostics)
    verdicts: dict[tuple[str, str], Verdict] = {}
    senders = senders or Senders(sources.root)
    for workflow, net in outlines(analysis):
        verdict = _proved(workflow, net, analysis, limit_s)
        verdicts[workflow.file.name, net.name] = verdict
        inquiry = Inquiry(net)
        found = with_runs(found, workflow, inquiry)
        found.extend(diagnostics_of(net, verdict))
        found.extend(check_data(workflow, inquiry))
        found.extend(check_practice(workflow, net))
        found.extend(check_messages(workflow, senders))
    unique = dict.fromkeys(found)
    ordered = sorted(unique, key=lambda diagnostic: (diagnostic.span, diagnostic.code))
    return Checked(tuple(ordered), verdicts)


def _proved(workflow: CheckedWorkflow, net: Net, analysis: Analysis, limit_s: float) -> Verdict:
    """The verdict for a workflow; its guards are looked into where free ones lead to a fault."""
    plain = prove(net, limit_s)
    if plain.answer is not Answer.unsound:
        return plain
    possible = worlds(workflow, analysis.typer.types)
    verdicts = [prove(net, limit_s / len(possible), choices) for choices in possible]
    return combined(plain, verdicts)


def outlines(analysis: Analysis) -> Iterator[tuple[CheckedWorkflow, Net]]:
    """Every workflow whose flow has no error, with its net."""
    broken = [each for each in analysis.diagnostics if each.severity == ERROR]
    for workflow in analysis.workflows.values():
        if workflow.graph is None or any(_is_flow_error(each, workflow) for each in broken):
            continue
        kinds = {name: task.kind for name, task in workflow.tasks.items()}
        yield workflow, outline(workflow.declaration, workflow.graph, kinds)


def _is_flow_error(diagnostic: Diagnostic, workflow: CheckedWorkflow) -> bool:
    """Whether an error makes the flow of a workflow meaningless."""
    span = workflow.declaration.span
    if diagnostic.span.file != workflow.file.name:
        return False
    inside = span.line <= diagnostic.span.line <= span.end_line
    return inside and (diagnostic.code.startswith(("KN1", "KN4")) or diagnostic.code in _NAMES)


#: Errors of names, and of attributes that draw on the net.
_NAMES = frozenset({"KN205", "KN206", "KN207", "KN215", "KN501", "KN502", "KN508"})
