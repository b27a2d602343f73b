"""How much may be at work at once: what an engine is told, and what each task then needs."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Final, NamedTuple, final

from knhk.engine.performer import Outside, Performer, SubWorkflow
from knhk.errors import DeployError, UnknownName, UsageError
from knhk.model import CALLEE_CONNECTOR, Callee, Connector, Net

__all__ = ["AT_ONCE_MAX", "EVERY_OTHER", "Concurrency", "Need", "Needs", "is_counted", "needs_of"]

#: The largest limit, and the largest weight.
AT_ONCE_MAX: Final = 1_000_000
#: Stands for every tenant that has no entry of its own.
EVERY_OTHER: Final = "*"


@final
@dataclass(frozen=True, slots=True)
class Concurrency:
    """How many work items an engine may have at work at once, and how tenants share.

    ``tasks`` limits tasks by ``"workflow.task"``, ``connectors`` connector instances by name,
    ``total`` all work together. ``tenants`` limits each tenant: one number for all, or one for
    each by name, with ``"*"`` for those that are not named; cases without a tenant are only
    limited by an entry ``""``. Limits hold over all cases and versions, beside what ``at most``
    says in a ``.knhk`` file, and only count what the engine does itself: no work that is done
    outside, and no sub-case, whose own work counts.

    ``weights`` says how much larger than that of others a tenant's share is where work has to
    wait: 1, if neither it nor ``"*"`` is named. Raises :class:`~knhk.errors.UsageError` for
    numbers that are not from 1 to 1,000,000, and for names that cannot be any.
    """

    tasks: Mapping[str, int] = field(default_factory=dict)
    connectors: Mapping[str, int] = field(default_factory=dict)
    tenants: int | Mapping[str, int] | None = None
    total: int | None = None
    weights: Mapping[str, int] = field(default_factory=dict)

    def __post_init__(self) -> None:
        """Check all, and keep copies that do not change."""
        for name in ("tasks", "connectors", "weights"):
            object.__setattr__(self, name, _checked(name, getattr(self, name)))
        if self.total is not None:
            _check_number("total", self.total)
        if isinstance(self.tenants, Mapping):
            object.__setattr__(self, "tenants", _checked("tenants", self.tenants))
        elif self.tenants is not None:
            _check_number("tenants", self.tenants)
        for task in self.tasks:
            workflow, _, name = task.rpartition(".")
            if not workflow or not name:
                raise UsageError(
                    f"Concurrency.tasks names tasks as 'workflow.task', such as 'order.charge',"
                    f" not {task!r}"
                )

    def of_tenant(self, tenant: str) -> int | None:
        """How many items of a tenant may be at work at once; ``None`` if that is not limited."""
        limits = self.tenants
        if isinstance(limits, Mapping):
            return limits.get(tenant, limits.get(EVERY_OTHER) if tenant else None)
        return limits if tenant else None


def _checked(what: str, numbers: Mapping[str, int]) -> Mapping[str, int]:
    if not isinstance(numbers, Mapping):
        raise UsageError(f"Concurrency.{what} is a mapping from names to numbers, not {numbers!r}")
    for name, number in numbers.items():
        if not isinstance(name, str):
            raise UsageError(f"Concurrency.{what} maps names to numbers; {name!r} is no name")
        _check_number(f"{what}[{name!r}]", number)
    return MappingProxyType(dict(numbers))


def _check_number(what: str, number: object) -> None:
    if isinstance(number, bool) or not isinstance(number, int) or not 1 <= number <= AT_ONCE_MAX:
        raise UsageError(
            f"Concurrency.{what} is a number from 1 to {AT_ONCE_MAX:,}, not {number!r}"
        )


class Need(NamedTuple):
    """A place that a work item needs: there are ``at_most`` of them under ``limit``.

    ``shown`` is what the limit is called.
    """

    limit: str
    at_most: int
    shown: str


#: What work items need: by the name of their task, and whether they undo it.
Needs = Mapping[tuple[str, bool], tuple[Need, ...]]


def needs_of(
    net: Net,
    performers: Mapping[str, Performer],
    undoers: Mapping[str, Performer],
    concurrency: Concurrency,
) -> Needs:
    """What the tasks of a workflow need; those that need nothing are left out.

    Raises :class:`~knhk.errors.DeployError` where ``concurrency`` names a task of this workflow
    that there is not, or one that the engine does not do itself.
    """
    _check_names(net.name, performers, concurrency)
    connectors = {spec.name: spec for spec in net.connectors}
    found: dict[tuple[str, bool], tuple[Need, ...]] = {}
    for node in net.nodes:
        if node.task is None:
            continue
        callees = ((False, node.task.callee), (True, node.task.compensation))
        for undoes, callee in callees:
            performer = (undoers if undoes else performers).get(node.name)
            if callee is None or performer is None or not is_counted(performer):
                continue
            needs = [
                *_of_task(f"{net.name}.{node.name}", node.task.at_most, concurrency),
                *_of_connector(callee, connectors, concurrency),
            ]
            if concurrency.total is not None:
                needs.append(Need("total", concurrency.total, "total"))
            if needs:
                found[node.name, undoes] = tuple(needs)
    return found


def is_counted(performer: Performer) -> bool:
    """Whether its work counts: the engine itself does it, in this very case."""
    return not isinstance(performer, (Outside, SubWorkflow))


def _of_task(task: str, at_most: int, concurrency: Concurrency) -> list[Need]:
    limits = [limit for limit in (at_most, concurrency.tasks.get(task, 0)) if limit]
    return [Need(f"task {task}", min(limits), f"task {task}")] if limits else []


def _of_connector(
    callee: Callee, connectors: Mapping[str, Connector], concurrency: Concurrency
) -> list[Need]:
    if callee.kind != CALLEE_CONNECTOR:
        return []
    needs: list[Need] = []
    shown = f"connector {callee.module}"
    limit = concurrency.connectors.get(callee.module)
    if limit is not None:
        needs.append(Need(shown, limit, shown))
    spec = connectors[callee.module]
    if spec.at_most:
        # Those of one name may be different ones in different files.
        settings = ", ".join(f"{name}: {value.text}" for name, value in spec.settings)
        needs.append(Need(f"{shown} = {spec.type}({settings})", spec.at_most, shown))
    return needs


def _check_names(
    workflow: str, performers: Mapping[str, Performer], concurrency: Concurrency
) -> None:
    for name in concurrency.tasks:
        of, _, task = name.rpartition(".")
        if of != workflow:
            continue
        performer = performers.get(task)
        if performer is None:
            unknown = UnknownName("task", task, performers)
            raise DeployError(f"Concurrency limits {name!r}: {unknown}")
        if not is_counted(performer):
            raise DeployError(
                f"Concurrency limits {name!r}, which the engine does not do itself;"
                " take it out, and limit the tasks of a sub-workflow there"
            )
