"""The benchmark's three shapes for SpiffWorkflow, as BPMN and with its core specifications."""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from itertools import pairwise
from typing import TypeAlias

from lxml import etree
from SpiffWorkflow import TaskState, Workflow
from SpiffWorkflow.bpmn import BpmnWorkflow
from SpiffWorkflow.bpmn.parser import BpmnParser
from SpiffWorkflow.bpmn.specs import BpmnProcessSpec
from SpiffWorkflow.operators import Operator
from SpiffWorkflow.specs import ExclusiveChoice, Simple, WorkflowSpec
from SpiffWorkflow.task import Task

__all__ = ["Drive", "core_loop", "core_sequence", "drive_core", "drive_each", "drive_ready",
           "loop", "sequence", "split"]  # fmt: skip

#: Runs a new case of a specification to its end; gives the number of manual tasks completed.
Drive: TypeAlias = Callable[[object], int]
Flow: TypeAlias = tuple[str, str, str]

MODEL = "http://www.omg.org/spec/BPMN/20100524/MODEL"

# Its log records cost more than its steps, unless their level is off.
for name in ("spiff", "spiff.task", "spiff.workflow", "spiff.spec"):
    logging.getLogger(name).setLevel(logging.CRITICAL)


def sequence(size: int) -> BpmnProcessSpec:
    """A sequence of manual tasks."""
    tasks = [("manualTask", f"t{number}") for number in range(size)]
    nodes = [("startEvent", "start"), *tasks, ("endEvent", "end")]
    names = [name for _, name in nodes]
    return parse(nodes, [(a, b, "") for a, b in pairwise(names)])


def split(size: int) -> BpmnProcessSpec:
    """An AND-split, a manual task in each branch, an AND-join."""
    names = [f"t{number}" for number in range(size)]
    gateways = [("parallelGateway", "fork"), ("parallelGateway", "join")]
    tasks = [("manualTask", name) for name in names]
    nodes = [("startEvent", "start"), *gateways, *tasks, ("endEvent", "end")]
    flows = [("start", "fork", ""), ("join", "end", "")]
    for name in names:
        flows += [("fork", name, ""), (name, "join", "")]
    return parse(nodes, flows)


def loop(rounds: int) -> BpmnProcessSpec:
    """One manual task, done again while ``rounds`` (which its driver counts) is too small."""
    nodes = [
        ("startEvent", "start"),
        ("exclusiveGateway", "merge"),
        ("manualTask", "t0"),
        ("exclusiveGateway", "choice"),
        ("endEvent", "end"),
    ]
    flows = [
        ("start", "merge", ""),
        ("merge", "t0", ""),
        ("t0", "choice", ""),
        ("choice", "merge", f"rounds &lt; {rounds}"),
        ("choice", "end", ""),
    ]
    return parse(nodes, flows)


def parse(nodes: Sequence[tuple[str, str]], flows: Sequence[Flow]) -> BpmnProcessSpec:
    """Write the BPMN and let SpiffWorkflow read it."""
    parts: list[str] = []
    for number, (source, target, guard) in enumerate(flows):
        inside = f"<b:conditionExpression>{guard}</b:conditionExpression>" if guard else ""
        parts.append(
            f'<b:sequenceFlow id="f{number}" sourceRef="{source}" targetRef="{target}">'
            f"{inside}</b:sequenceFlow>"
        )
    for kind, name in nodes:
        coming = [f"f{n}" for n, flow in enumerate(flows) if flow[1] == name]
        going = [f"f{n}" for n, flow in enumerate(flows) if flow[0] == name]
        inside = "".join(f"<b:incoming>{flow}</b:incoming>" for flow in coming)
        inside += "".join(f"<b:outgoing>{flow}</b:outgoing>" for flow in going)
        chooses = kind == "exclusiveGateway" and len(going) > 1
        default = f' default="{going[-1]}"' if chooses else ""
        parts.append(f'<b:{kind} id="{name}"{default}>{inside}</b:{kind}>')
    document = (
        f'<b:definitions xmlns:b="{MODEL}" id="d" targetNamespace="http://bpmn.io/schema/bpmn">'
        f'<b:process id="shape" isExecutable="true">{"".join(parts)}</b:process></b:definitions>'
    )
    parser = BpmnParser()
    parser.add_bpmn_xml(etree.fromstring(document))
    return parser.get_spec("shape")


def drive_each(specification: BpmnProcessSpec) -> int:
    """The loop of its documentation: the next ready task, run it, then the engine's steps."""
    workflow = BpmnWorkflow(specification)
    workflow.do_engine_steps()
    done = 0
    while not workflow.is_completed():
        task = workflow.get_next_task(state=TaskState.READY, manual=True)
        done += 1
        task.data["rounds"] = done
        task.run()
        workflow.do_engine_steps()
    return done


def drive_ready(specification: BpmnProcessSpec) -> int:
    """All tasks that are ready, then the engine's steps; it searches its tree less often."""
    workflow = BpmnWorkflow(specification)
    workflow.do_engine_steps()
    done = 0
    while not workflow.is_completed():
        for task in workflow.get_tasks(state=TaskState.READY, manual=True):
            done += 1
            task.data["rounds"] = done
            task.run()
        workflow.do_engine_steps()
    return done


class Fewer(Operator):  # type: ignore[misc]
    """A guard of the core specifications: fewer rounds than so many."""

    def __init__(self, rounds: int) -> None:
        super().__init__(rounds)
        self.rounds = rounds

    def _matches(self, task: Task) -> bool:
        return bool(task.data["rounds"] < self.rounds)


def core_sequence(size: int) -> WorkflowSpec:
    """The sequence without BPMN."""
    specification = WorkflowSpec("sequence", addstart=True)
    last = specification.start
    for number in range(size):
        task = Simple(specification, f"t{number}", manual=True)
        last.connect(task)
        last = task
    last.connect(Simple(specification, "End", manual=False))
    return specification


def core_loop(rounds: int) -> WorkflowSpec:
    """The loop without BPMN."""
    specification = WorkflowSpec("loop", addstart=True)
    task = Simple(specification, "t0", manual=True)
    choice = ExclusiveChoice(specification, "choice", manual=False)
    end = Simple(specification, "End", manual=False)
    specification.start.connect(task)
    task.connect(choice)
    choice.connect(end)
    choice.connect_if(Fewer(rounds), task)
    return specification


def drive_core(specification: WorkflowSpec) -> int:
    """Every ready task in turn, searching from the last one, as its own ``run_next`` does."""
    workflow = Workflow(specification)
    done = 0
    while not workflow.is_completed():
        task = workflow.get_next_task(workflow.last_task, state=TaskState.READY)
        if task is None:
            task = workflow.get_next_task(state=TaskState.READY)
        if task.task_spec.manual:
            done += 1
            task.data["rounds"] = done
        task.run()
    return done
