"""Which cases a command is for: those that are named, or all that stand in some way."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, TypeVar

import click

if TYPE_CHECKING:
    from knhk.engine import Engine
    from knhk.journal import CaseRow

F = TypeVar("F", bound=Callable[..., object])

STATUSES: Final = ("running", "suspended", "completed", "failed", "cancelled", "stuck")


@dataclass(frozen=True)
class Selection:
    """Cases by their names, or else by how they stand and what they are cases of."""

    names: tuple[str, ...]
    status: str | None
    workflow: str | None

    @property
    def is_empty(self) -> bool:
        """Whether nothing was said of any case."""
        return not self.names and self.status is None and self.workflow is None

    def check(self) -> None:
        """Refuse what names no cases, and what names them in both ways."""
        if self.is_empty:
            raise click.UsageError("name the cases, or give --status or --workflow")
        if self.names and (self.status or self.workflow):
            raise click.UsageError("either name the cases, or give --status and --workflow")

    async def cases(self, engine: Engine, states: Sequence[str]) -> list[str]:
        """The names of the cases; without a status those in one of ``states``.

        Sub-cases are only found by name: what is done to their parents decides about them.
        """
        if self.names:
            return list(dict.fromkeys(self.names))
        wanted = states if self.status is None else (self.status,)
        found: list[CaseRow] = []
        workflow = self.workflow or ""
        while page := await engine.cases(
            status=wanted, workflow=workflow, after=found[-1] if found else None
        ):
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
    return status(workflow(command))
