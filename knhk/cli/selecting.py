"""Which cases a command is for: those that are named, or all that stand in some way."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Final, TypeVar

import click

if TYPE_CHECKING:
    from knhk.engine import Engine
    from knhk.journal import CaseRow

F = TypeVar("F", bound=Callable[..., object])

STATUSES: Final = ("running", "suspended", "completed", "failed", "cancelled", "stuck")


@dataclass(frozen=True)
class Selection:
    """Cases by their names, or else by how they stand, what they are cases of, and whose."""

    names: tuple[str, ...]
    status: str | None
    workflow: str | None
    tenant: str | None

    @property
    def is_empty(self) -> bool:
        """Whether nothing was said of any case."""
        return not self.names and (self.status, self.workflow, self.tenant) == (None,) * 3

    def check(self) -> None:
        """Refuse what names no cases, and what names them in both ways."""
        if self.is_empty:
            raise click.UsageError("name the cases, or give --status, --workflow or --tenant")
        if self.names and (self.status or self.workflow or self.tenant):
            raise click.UsageError(
                "either name the cases, or give --status, --workflow and --tenant"
            )

    async def cases(self, engine: Engine, states: Sequence[str]) -> list[str]:
        """The names of the cases; without a status those in one of ``states``.

        Sub-cases are only found by name: what is done to their parents decides about them.
        """
        if self.names:
            return list(dict.fromkeys(self.names))
        wanted = states if self.status is None else (self.status,)
        found: list[CaseRow] = []
        asking = partial(
            engine.cases, status=wanted, workflow=self.workflow or "", tenant=self.tenant or ""
        )
        while page := await asking(after=found[-1] if found else None):
            found.extend(page)
        return [row.id for row in found if not row.parent]


def selection_options(command: F) -> F:
    """Decorate a command with the options that select cases."""
    status = click.option(
        "--status", type=click.Choice(STATUSES), help="All cases that stand so, in place of CASE."
    )
    workflow = click.option(
        "--workflow", metavar="NAME", help="All cases of that workflow, in place of CASE."
    )
    tenant = click.option(
        "--tenant", metavar="NAME", help="All cases of that tenant, in place of CASE."
    )
    return status(workflow(tenant(command)))
