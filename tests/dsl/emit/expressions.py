"""Expressions of one small workflow: compiled, and evaluated on typed data."""

from __future__ import annotations

from typing import Final

import pytest

from knhk.errors import CheckError, ExpressionError
from knhk.model import Expression, Moment, Net, OperationSignature, ParameterSignature
from knhk_dsl import Environment, Sources, compile_sources
from tests.dsl.check.environment import PATTERNS

#: 2026-11-20 21:00:00.000001 UTC.
NOW_US: Final = 1_795_208_400_000_001

DECLARATIONS: Final = """
record Item
    sku: str
    price: decimal
    quantity: int = 1
    size: Size = Size.small
    note: str? = none

record Box
    inner: Box?
    other: Box?

enum Size: small, medium, large
"""
ITEMS: Final = [
    {"sku": "a", "price": "2.50", "quantity": 2},
    {"sku": "b", "price": "10", "size": "large", "note": "fragile"},
]
#: The parameters: the type of each, and its value as it comes from outside.
PARAMETERS: Final[dict[str, tuple[str, object]]] = {
    "n": ("int", 7),
    "m": ("int", -3),
    "zero": ("int", 0),
    "x": ("float", 2.5),
    "d": ("decimal", "12.50"),
    "on": ("bool", True),
    "s": ("str", "text"),
    "long": ("str", "y" * 20_000),
    "b": ("bytes", b"\x00\x01"),
    "mi": ("int?", None),
    "day": ("date", "2026-11-30"),
    "at": ("datetime", "2026-11-30T12:00:00Z"),
    "dur": ("duration", "1h30m"),
    "xs": ("list[int]", [3, 1, 2]),
    "none_at_all": ("list[int]", []),
    "ds": ("list[decimal]", ["1.5", 2]),
    "fs": ("list[float]", [0.5, 1]),
    "ss": ("list[str]", ["b", "a"]),
    "durs": ("list[duration]", ["1s", "2s"]),
    "flags": ("list[bool]", [True, False]),
    "items": ("list[Item]", ITEMS),
    "item": ("Item", ITEMS[0]),
    "stock": ("dict[str, int]", {"a": 1, "b": 2}),
    "size": ("Size", "medium"),
    "j": ("json", {"k": [1, 2.5, "z"], "price": "12.50", "at": "2026-11-30", "no": None}),
    "jn": ("json", 5),
    "jt": ("json", True),
    "js": ("json", "word"),
    "jl": ("json", [1, 2, 3]),
    "nothing": ("json", None),
}


TOOL: Final = OperationSignature(
    (ParameterSignature("value"), ParameterSignature("price", "decimal", required=False))
)


def workflow(body: str) -> Net:
    """A workflow with the parameters above; raises CheckError."""
    names = ", ".join(f"{name}: {type_}" for name, (type_, _) in PARAMETERS.items())
    source = f"{DECLARATIONS}\nworkflow sample({names}) -> json\n{body}"
    environment = Environment(task_types={"tool": TOOL}, patterns=PATTERNS)
    return compile_sources(Sources.of_text(source), environment).nets["sample"]


def compiled(text: str) -> Net:
    """A workflow that returns ``text``; raises CheckError."""
    return workflow(f"    task t\n    flow\n        start -> t -> end\n    return {text}\n")


def argument(text: str, name: str = "value") -> Expression:
    """An argument of a task, which takes json as ``value`` and a decimal as ``price``."""
    body = f"    task t = tool({'value: 1, ' if name != 'value' else ''}{name}: {text})\n"
    net = workflow(f"{body}    flow\n        start -> t -> end\n    return n\n")
    task = net.nodes[0].task
    assert task is not None
    return dict(task.callee.kwargs)[name]


def data_of(net: Net, **changes: object) -> dict[str, object]:
    """The parameters as typed values, some of them changed."""
    given = {name: value for name, (_, value) in PARAMETERS.items()} | changes
    return {p.name: p.codec.accept(given[p.name]) for p in net.parameters}


def returned(net: Net) -> Expression:
    """What a workflow returns."""
    assert net.returns is not None
    return net.returns


def evaluated(text: str, **changes: object) -> object:
    """The value of an expression; raises ExpressionError."""
    net = compiled(text)
    return returned(net).evaluate(data_of(net, **changes), Moment(NOW_US, 1, 1))


def problem(text: str, **changes: object) -> str:
    """Why an expression cannot be evaluated."""
    with pytest.raises(ExpressionError) as caught:
        evaluated(text, **changes)
    assert " ".join(text.split())[:40] == caught.value.text[:40]
    return caught.value.why


def refusals(text: str) -> list[str]:
    """The codes of what the checker says of an expression."""
    with pytest.raises(CheckError) as caught:
        compiled(text)
    return [diagnostic.code for diagnostic in caught.value.diagnostics]
