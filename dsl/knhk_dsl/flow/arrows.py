"""Arrows of a draft: laid one by one, unless they may not be there."""

from __future__ import annotations

from dataclasses import dataclass, field

from knhk.errors import Diagnostic, Span
from knhk.model import SPLIT_OR, SPLIT_XOR
from knhk_dsl.flow.draft import FINAL_ROLES, Draft, DraftArc, DraftNode, Role
from knhk_dsl.syntax import ast


@dataclass(frozen=True, slots=True, eq=False)
class Way:
    """The open end of an arrow: where it comes from, what lets it be taken, what it carries.

    ``offered``: it leads from the place of a deferred choice to what is offered there.
    ``laid`` are the arcs that were made of it.
    """

    source: DraftNode
    source_span: Span
    span: Span
    guard: ast.Expr | None = None
    otherwise: bool = False
    certain: bool = False
    exception: ast.ExceptionClause | None = None
    puts: int = 1
    takes: int = 1
    offered: bool = False
    laid: list[DraftArc] = field(default_factory=list)


class Arrows:
    """Lays arrows into ``draft``; problems go to ``diagnostics``."""

    def __init__(self, draft: Draft, diagnostics: list[Diagnostic]) -> None:
        self.draft = draft
        self.diagnostics = diagnostics
        self._drawn: dict[tuple[int, int], Span] = {}

    def report(
        self,
        code: str,
        message: str,
        span: Span,
        hint: str = "",
        severity: str = "error",
        related: tuple[tuple[Span, str], ...] = (),
    ) -> None:
        """Note a problem."""
        self.diagnostics.append(Diagnostic(code, message, span, hint, severity, related))

    def connect(self, way: Way, target: DraftNode, target_span: Span) -> None:
        """Lay an arrow, unless it may not be there."""
        source = way.source
        if source.role in FINAL_ROLES:
            self.report(
                "KN411",
                f"nothing comes behind `{source.name}`",
                way.source_span,
                f"end the chain with `{source.name}`",
            )
            target.excused_in = True
            return
        if target.role is Role.start:
            self.report(
                "KN411",
                "no arrow leads to `start`",
                target_span,
                "to begin anew, lead the arrow to the first task",
            )
            source.excused_out = True
            return
        if way.exception is None and self._is_double(way, target):
            return
        self._check_weights(way, target)
        if source.is_place and target.is_place:
            self._link(way, target)
        else:
            self._arc(way, source, target, way.puts, way.takes)

    def _arc(self, way: Way, source: DraftNode, target: DraftNode, puts: int, takes: int) -> None:
        arc = DraftArc(
            source,
            target,
            way.span,
            way.source_span,
            way.guard,
            way.otherwise,
            way.certain,
            way.exception,
            puts,
            takes,
        )
        self.draft.arc(arc)
        way.laid.append(arc)

    def _is_double(self, way: Way, target: DraftNode) -> bool:
        """Report an arrow that is there already; guards may lead two branches one way."""
        source = way.source
        if source.role is Role.ghost or source.split in (SPLIT_XOR, SPLIT_OR):
            return False
        key = (source.index, target.index)
        first = self._drawn.get(key)
        if first is None:
            self._drawn[key] = way.span
            return False
        to = f"the end of {target.title}" if target.role is Role.join else target.title
        self.report(
            "KN410",
            f"the arrow from {source.title} to {to} is written twice",
            way.span,
            "write it once",
            related=((first, "the first time"),),
        )
        return True

    def check_puts(self, way: Way) -> None:
        """Report a number of tokens to put on an arrow that leaves a place."""
        if way.source.is_place and way.puts != 1:
            self.report(
                "KN436",
                f"place `{way.source.name}` puts no tokens: what is behind it takes them",
                way.span,
                f"say how many are taken at once: `-[by {way.puts}]->`",
            )

    def _check_weights(self, way: Way, target: DraftNode) -> None:
        """A place neither puts tokens nor takes them: the nodes around it do."""
        if not target.is_place:
            self.check_puts(way)
        elif target.role is Role.place and not way.source.is_place and way.takes != 1:
            self.report(
                "KN436",
                f"place `{target.name}` takes no tokens: it keeps what is put into it",
                way.span,
                f"write `-[by {way.takes}]->` behind the place",
            )

    def _link(self, way: Way, target: DraftNode) -> None:
        """Put a routing node between two places."""
        link = self.draft.node(f"{way.source.name} to {target.name}", Role.link, way.span)
        link.used = way.span
        self._arc(way, way.source, link, 1, way.takes)
        self._arc(way, link, target, way.puts, 1)
