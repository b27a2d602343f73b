"""The arrows of a net with the words that stand on them.

Here and in all of this package a *thing* is a node or a place of a net by one number: a node's
is its own, places come after all nodes.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from knhk.model import EXCEPT_NAMES, SPLIT_AND, ExceptionArrow, Net, Node
from knhk.pictures.words import printable

__all__ = ["Arc", "arcs_of", "exception_words"]


@dataclass(frozen=True)
class Arc:
    """An arrow between a place and a node.

    ``guard`` is the condition under which a choice takes it, ``otherwise`` says that it does so
    without one; ``exception`` says what it waits for (``on timeout``). ``weight`` is how many
    tokens go.
    """

    source: int
    target: int
    guard: str = ""
    otherwise: bool = False
    exception: str = ""
    weight: int = 1

    @property
    def words(self) -> tuple[str, ...]:
        """What stands on it."""
        verb = "takes" if self.source > self.target else "puts"
        moved = "" if self.weight == 1 else f"{verb} {self.weight}"
        guard = "otherwise" if self.otherwise else self.guard
        return tuple(filter(None, (guard, self.exception, moved)))


def arcs_of(net: Net) -> Iterator[Arc]:
    """Every arrow of a net, node by node: those in, those out, those of exceptions."""
    for number, node in enumerate(net.nodes):
        yield from _arcs_in(net, number, node)
        yield from _arcs_out(net, number, node)


def _arcs_in(net: Net, number: int, node: Node) -> Iterator[Arc]:
    weights = node.takes or (1,) * len(node.inputs)
    for place, weight in zip(node.inputs, weights, strict=True):
        yield Arc(len(net.nodes) + place, number, weight=weight)


def _arcs_out(net: Net, number: int, node: Node) -> Iterator[Arc]:
    chosen = len(node.outputs) > 1 and node.split != SPLIT_AND
    for arrow in node.outputs:
        yield Arc(
            number,
            len(net.nodes) + arrow.place,
            "" if arrow.guard is None or not chosen else printable(arrow.guard.text),
            chosen and arrow.guard is None,
            weight=arrow.weight,
        )
    for aside in node.exceptions:
        words = exception_words(aside)
        target = len(net.nodes) + aside.place
        yield Arc(number, target, exception=words, weight=aside.weight)


def exception_words(arrow: ExceptionArrow) -> str:
    """What an exception arrow waits for, as the language writes it."""
    return f"on {EXCEPT_NAMES[arrow.kind]} {arrow.name}".rstrip()
