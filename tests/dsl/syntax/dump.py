"""A syntax tree as text: one line per node, with its place and its plain values."""

from __future__ import annotations

import dataclasses

from knhk.errors import Span
from knhk_dsl.syntax.ast import Literal


def _place(span: Span) -> str:
    if span.line == span.end_line:
        return f"{span.line}:{span.column}-{span.end_column}"
    return f"{span.line}:{span.column}-{span.end_line}:{span.end_column}"


def _lines(label: str, value: object, depth: int) -> list[str]:
    pad = "  " * depth
    if isinstance(value, tuple):
        if all(isinstance(item, str) for item in value):
            return [f"{pad}{label}{value!r}"] if value else []
        return [line for item in value for line in _lines(label, item, depth)]
    if not dataclasses.is_dataclass(value):
        return [f"{pad}{label}{value!r}"]
    plain, below = [], []
    for field in dataclasses.fields(value):
        item = getattr(value, field.name)
        shown = field.name == "value" and isinstance(value, Literal)
        if field.name == "span" or (item in (None, "", (), False) and not shown):
            continue
        if isinstance(item, Span):
            plain.append(f"{field.name}={_place(item)}")
        elif dataclasses.is_dataclass(item) or isinstance(item, tuple):
            below += _lines(f"{field.name}: ", item, depth + 1)
        else:
            plain.append(f"{field.name}={item!r}")
    head = " ".join([f"{pad}{label}{type(value).__name__}", _place(value.span), *plain])
    return [head, *below]


def dump(node: object) -> str:
    """The tree below a node, as text."""
    return "\n".join(_lines("", node, 0)) + "\n"
