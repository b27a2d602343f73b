"""Evaluates one expression of the language, as a workflow's ``return``."""

from __future__ import annotations

from collections.abc import Mapping

from knhk.model import Expression, Moment
from knhk_dsl import Environment, Sources, check_sources, compile_sources

TYPES = """
record Item
    price: decimal
    sku: str = "none"
    note: str?
    class: str = "a"

enum Size: small, medium, large

"""
#: 2026-11-30T12:00:00Z.
NOON_US = 1_796_040_000_000_000


def source(text: str, parameters: str) -> str:
    """A workflow that returns an expression."""
    head = TYPES + f"workflow w({parameters})\n"
    return head + f"    task t\n    flow\n        start -> t -> end\n    return {text}\n"


def compiled(text: str, parameters: str = "") -> Expression:
    """The expression, compiled."""
    net = compile_sources(Sources.of_text(source(text, parameters)), Environment()).nets["w"]
    assert net.returns is not None
    return net.returns


def evaluated(text: str, parameters: str = "", data: Mapping[str, object] | None = None) -> object:
    """The value of an expression; parameters are typed, their values as from outside."""
    compilation = compile_sources(Sources.of_text(source(text, parameters)), Environment())
    net = compilation.nets["w"]
    assert net.returns is not None
    given = data or {}
    typed = {p.name: p.codec.accept(given[p.name]) for p in net.parameters if p.name in given}
    return net.returns.evaluate(typed, Moment(NOON_US, 7, 1))


def problems(text: str, parameters: str = "") -> list[str]:
    """What is wrong with an expression: code and sentence."""
    found = check_sources(Sources.of_text(source(text, parameters)), Environment())
    return [f"{each.code} {each.message}" for each in found]
