"""Every node's place, cut out of the source, is the text that the node was read from."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from pathlib import Path

import pytest

from knhk.errors import Span
from knhk_dsl.syntax import ast
from knhk_dsl.syntax.parse import parse

CASES = sorted((Path(__file__).parent / "cases").glob("*.knhk"))


def nodes(value: object) -> Iterator[ast.SyntaxNode]:
    if isinstance(value, ast.SyntaxNode):
        yield value
    if isinstance(value, tuple):
        for item in value:
            yield from nodes(item)
    elif dataclasses.is_dataclass(value) and not isinstance(value, Span):
        for field in dataclasses.fields(value):
            yield from nodes(getattr(value, field.name))


def cut(text: str, span: Span) -> str:
    lines = text.split("\n")[span.line - 1 : span.end_line]
    if len(lines) == 1:
        return lines[0][span.column - 1 : span.end_column - 1]
    first, last = lines[0][span.column - 1 :], lines[-1][: span.end_column - 1]
    return "\n".join([first, *lines[1:-1], last])


def source(path: Path) -> str:
    return path.read_bytes().decode("utf-8-sig").replace("\r\n", "\n")


GOOD = [path for path in CASES if not path.stem.startswith("bad_")]


@pytest.mark.parametrize("path", GOOD, ids=[path.stem for path in GOOD])
def test_what_bears_a_name_stands_where_it_is_written(path: Path) -> None:
    text = source(path)
    tree, _ = parse(text, path.name)
    found, expected = [], []
    for node in nodes(tree):
        if isinstance(node, (ast.Literal, ast.DurationLiteral)):
            found.append(cut(text, node.span))
            expected.append(node.text)
        elif isinstance(node, (ast.Name, ast.NodeRef, ast.Declared, ast.NamedType)):
            found.append(cut(text, node.span).strip("( )"))
            expected.append(node.name)
        elif hasattr(node, "name_span"):
            found.append(cut(text, node.name_span))
            expected.append(node.name)
    assert expected == found


@pytest.mark.parametrize("path", GOOD, ids=[path.stem for path in GOOD])
def test_every_part_lies_inside_the_whole(path: Path) -> None:
    tree, _ = parse(source(path), path.name)
    outside = []
    for node in nodes(tree):
        start = (node.span.line, node.span.column)
        end = (node.span.end_line, node.span.end_column)
        for field in dataclasses.fields(node):
            for part in nodes(getattr(node, field.name)):
                place = part.span
                if (place.line, place.column) < start or (place.end_line, place.end_column) > end:
                    outside.append((node, part))
    assert [] == outside


def expressions(text: str) -> Iterator[tuple[str, ast.SyntaxNode]]:
    for node in nodes(parse(text, "x")[0]):
        if isinstance(node, ast.Return):
            for part in nodes(node.value):
                if isinstance(part, ast.Expr):
                    yield cut(text, part.span), part


@pytest.mark.parametrize("name", ["operators", "postfix", "literals", "texts"])
def test_an_expression_cut_out_of_its_source_is_the_same_expression(name: str) -> None:
    text = source(Path(__file__).parent / "cases" / f"{name}.knhk")
    for written, node in expressions(text):
        if isinstance(node, ast.Comprehension) and not written.startswith("["):
            continue  # a sole argument cannot stand alone
        again, diagnostics = parse(f"workflow w\n    return {written}", "x")
        assert () == diagnostics
        workflow = again.declarations[0]
        assert isinstance(workflow, ast.WorkflowDecl)
        statement = workflow.body[0]
        assert isinstance(statement, ast.Return)
        assert shape(node) == shape(statement.value)


def shape(value: object) -> object:
    """A tree without its places."""
    if isinstance(value, tuple):
        return tuple(shape(item) for item in value)
    if not dataclasses.is_dataclass(value):
        return value
    parts = [
        shape(getattr(value, field.name))
        for field in dataclasses.fields(value)
        if not isinstance(getattr(value, field.name), Span)
    ]
    return (type(value).__name__, *parts)
