"""What could be written at a place: words of the language, and names that mean something there.

The words come from the grammar (:mod:`knhk_dsl.syntax.cursor`), and so does as what a name would
be taken. Which names there are comes from a check of the source with a name written there and
the brackets closed that are open, so that the line can be read.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, fields
from typing import Final

from knhk_dsl.compilation import Analysis
from knhk_dsl.expressions.builtin_types import BUILTINS
from knhk_dsl.index.definitions import Definition
from knhk_dsl.index.known import Known, Names
from knhk_dsl.index.shapes import type_shown
from knhk_dsl.names.arguments import CallSignature
from knhk_dsl.names.namespaces import FileScope
from knhk_dsl.sources import UnreadableSource
from knhk_dsl.syntax import ast
from knhk_dsl.syntax.build import FLOW_NODES
from knhk_dsl.syntax.cursor import Cursor, look
from knhk_dsl.syntax.memory import Memory
from knhk_dsl.values.types import SCALARS, EnumerationName, Record, Type, without_none

#: The name that is written at the place while the source is checked.
PLACEHOLDER: Final = "knhk_completes_here"
_CLOSERS: Final = {
    "LPAR": ")",
    "LSQB": "]",
    "LBRACE": "}",
    "HOLE_OPEN": "}",
    "TEXT_OPEN": '"',
}
_CLOSING: Final = frozenset({"RPAR", "RSQB", "RBRACE", "HOLE_CLOSE", "TEXT_CLOSE"})
_CALLED: Final = ("callable", "workflow", "connector")
_MODES: Final = ("pause", "compensate", "cancel")


@dataclass(frozen=True, slots=True)
class Candidate:
    """A word that could be written; ``kind`` is ``keyword``, ``type`` or that of a definition."""

    name: str
    kind: str
    shape: str = ""
    doc: str = ""


@dataclass(frozen=True, slots=True)
class Completion:
    """What could be written, and where what it replaces begins, as an offset."""

    start: int
    candidates: tuple[Candidate, ...]


def complete(
    text: str, offset: int, memory: Memory, analyse: Callable[[str], Analysis]
) -> Completion | None:
    """What could be written at an offset of a source; ``None`` in a comment or a text.

    ``text`` has line feeds as its only line ends; ``analyse`` checks another text in its place.
    """
    cursor = look(text, offset, memory)
    if cursor is None:
        return None
    found = [Candidate(word, "keyword") for word in cursor.keywords]
    if cursor.takes_name:
        found += _names(text, cursor, offset, analyse)
    unique = {(candidate.name, candidate.kind): candidate for candidate in reversed(found)}
    return Completion(cursor.start, tuple(reversed(unique.values())))


def _names(
    text: str, cursor: Cursor, offset: int, analyse: Callable[[str], Analysis]
) -> list[Candidate]:
    line = text.count("\n", 0, cursor.start) + 1
    last: _Place | None = None
    for variant in _variants(text, cursor, offset):
        last = _Place(analyse(variant), cursor, line)
        if last.path or not cursor.roles & {"atom", "postfix"}:
            break
    return [] if last is None else last.candidates()


def _variants(text: str, cursor: Cursor, offset: int) -> Iterator[str]:
    """The source with a name at the place, in the ways in which it might be read."""
    before = f"{text[: cursor.start]}{PLACEHOLDER}"
    yield before + text[offset:]
    newline = text.find("\n", offset)
    rest = text[newline:] if newline >= 0 else ""
    closers = _open_brackets(cursor)
    yield f"{before}{closers}{rest}"
    yield f"{before}(){closers}{rest}"


def _open_brackets(cursor: Cursor) -> str:
    opened: list[str] = []
    for token in cursor.before:
        if token.type in _CLOSERS:
            opened.append(_CLOSERS[token.type])
        elif token.type in _CLOSING and opened:
            opened.pop()
    return "".join(reversed(opened))


class _Place:
    """The place in a source that was checked with the placeholder in it."""

    def __init__(self, analysis: Analysis, cursor: Cursor, line: int) -> None:
        self._analysis = analysis
        self._known = Known(analysis)
        self._cursor = cursor
        self._scope: FileScope = analysis.entry
        self._workflow = self._enclosing(line)
        self.path = _path(self._scope.source.tree, line)

    def _enclosing(self, line: int) -> ast.WorkflowDecl | None:
        declarations = self._scope.source.tree.declarations
        before = [declaration for declaration in declarations if declaration.span.line <= line]
        found = before[-1] if before else None
        return found if isinstance(found, ast.WorkflowDecl) else None

    def candidates(self) -> list[Candidate]:
        """The names that would be understood here."""
        roles, word = self._cursor.roles, self._cursor.word_before
        if "postfix" in roles and word == ".":
            return self._members()
        if "atom" in roles:
            return self._callees() if self._is_callee() else self._values()
        if "type" in roles:
            return self._types()
        if "node" in roles:
            return self._nodes()
        if "used_name" in roles or "used_list" in roles:
            return self._used()
        if word == "on" or "on_failure" in roles:
            return [Candidate(mode, "keyword") for mode in _MODES]
        if "connector_head" in roles:
            names = self._analysis.environment.connector_names()
            return [_candidate(self._known.connector_type(name)) for name in sorted(names)]
        return self._declared()

    # --- by role ----------------------------------------------------------------------------

    def _declared(self) -> list[Candidate]:
        """Names in attribute lines."""
        first = self._cursor.before[0].text if self._cursor.before else ""
        if first == "uses":
            return self._symbols("policy")
        kinds = {
            "cancels": ("task", "place"),
            "completes": ("task",),
            "while": ("place",),
            "holds": ("mutex",),
            "sets": ("variable",),
        }.get(first, ())
        found = [each for each in self._in_workflow().values() if each.kind in kinds]
        return [_candidate(definition) for definition in found]

    def _nodes(self) -> list[Candidate]:
        words = [*sorted(FLOW_NODES), *sorted(self._analysis.environment.patterns)]
        found = [each for each in self._in_workflow().values() if each.kind in ("task", "place")]
        return [*map(_candidate, found), *(Candidate(word, "keyword") for word in words)]

    def _types(self) -> list[Candidate]:
        scalars = [Candidate(name, "type") for name in (*SCALARS, "list", "dict")]
        return [*self._symbols("record", "enumeration"), *scalars]

    def _callees(self) -> list[Candidate]:
        plugins = [self._known.task_type(name) for name in self._analysis.environment.task_types]
        found = [_candidate(each) for each in plugins if each is not None]
        return [*self._symbols(*_CALLED), *found]

    def _values(self) -> list[Candidate]:
        found = [*self._arguments(), *map(_candidate, self._elements())]
        values = self._in_workflow().values()
        found += [_candidate(each) for each in values if each.kind not in ("place", "mutex")]
        found += self._symbols("enumeration", "record")
        functions = (self._known.function(name) for name in BUILTINS)
        return found + [_candidate(each) for each in functions if each is not None]

    def _used(self) -> list[Candidate]:
        """The names of a file or module behind ``use``."""
        for declaration in self._scope.source.tree.declarations:
            if isinstance(declaration, ast.UseFile) and _holds(declaration.names):
                return self._of_file(declaration.path)
            if isinstance(declaration, ast.UsePython) and _holds(declaration.names):
                names = self._analysis.callees.python_names(declaration.module, self._scope)
                return [Candidate(name, "callable") for name in names]
        return []

    def _of_file(self, path: str) -> list[Candidate]:
        try:
            name = self._analysis.sources.resolve(self._scope.name, path)
        except UnreadableSource:
            return []
        scope = self._analysis.scopes.get(name)
        own = [] if scope is None else scope.own
        return [_candidate(self._known.symbol(symbol)) for symbol in own]

    # --- expressions ------------------------------------------------------------------------

    def _is_callee(self) -> bool:
        """Whether what is written is done by a task: behind `=` of its head, or `with`."""
        before = self._cursor.before
        is_head = before[0].text == "task" and len(before) == 3
        return is_head or self._cursor.word_before in ("with", "starts")

    def _members(self) -> list[Candidate]:
        here = self.path[-1] if self.path else None
        if not isinstance(here, ast.Attribute):
            return []
        type_ = self._analysis.typer.types.get(id(here.value))
        if type_ is None and isinstance(here.value, ast.Name):
            symbol = self._scope.symbols.get(here.value.name)
            if symbol is not None and isinstance(symbol.value, ast.ConnectorDecl):
                operations = self._known.operations(symbol.value.type)
                return [_candidate(operation) for operation in operations.values()]
        return [] if type_ is None else self._parts_of(type_)

    def _parts_of(self, type_: Type) -> list[Candidate]:
        type_ = without_none(type_)
        if isinstance(type_, EnumerationName):
            return [Candidate(name, "member", str(type_)) for name in type_.enumeration.members]
        if isinstance(type_, Record):
            return [
                Candidate(name, "field", f"{name}: {type_shown(field.type)}")
                for name, field in type_.fields.items()
            ]
        return []

    def _elements(self) -> list[Definition]:
        """The variables of the loops around the place."""
        found: list[Definition] = []
        for node in self.path:
            if isinstance(node, ast.Comprehension):
                found.append(Definition("element", node.variable, shape=node.variable))
            elif isinstance(node, ast.TaskDecl):
                found += [
                    Definition("element", line.variable, shape=line.variable)
                    for line in node.attributes
                    if isinstance(line, ast.ForEachLine)
                ]
        return found

    def _arguments(self) -> list[Candidate]:
        """The parameters, where an argument of a call begins."""
        if len(self.path) < 3 or not isinstance(self.path[-2], ast.Argument):
            return []
        argument, call = self.path[-2], self.path[-3]
        if argument.name or not isinstance(call, ast.Call):
            return []
        given = {each.name for each in call.arguments}
        return [
            Candidate(f"{name}:", "argument", shape)
            for name, shape in self._parameters(call)
            if name not in given
        ]

    def _parameters(self, call: ast.Call) -> Iterable[tuple[str, str]]:
        name = call.callee.name if isinstance(call.callee, ast.Name) else ""
        symbol = self._scope.symbols.get(name)
        if symbol is not None and isinstance(symbol.value, Record):
            fields_ = symbol.value.fields
            return [(name, f"{name}: {type_shown(fields_[name].type)}") for name in fields_]
        if name in BUILTINS and symbol is None and not self._is_task(call):
            return [(argument, argument) for argument in BUILTINS[name].arguments]
        if not self._is_task(call):
            return []
        signature: CallSignature = self._analysis.callees.find(call, self._scope).signature
        return [
            (parameter.name, f"{parameter.name}: {type_shown(parameter.type)}")
            for parameter in signature.parameters
            if not parameter.positional_only
        ]

    def _is_task(self, call: ast.Call) -> bool:
        """Whether a task makes the call, and no expression."""
        holder = self.path[self.path.index(call) - 1]
        return isinstance(holder, (ast.CallCallee, ast.CompensateLine, ast.TriggerDecl))

    # --- names ------------------------------------------------------------------------------

    def _in_workflow(self) -> Names:
        return {} if self._workflow is None else self._known.workflow(self._workflow)

    def _symbols(self, *kinds: str) -> list[Candidate]:
        return [_candidate(self._known.symbol(each)) for each in self._scope.of_kind(*kinds)]


def _candidate(definition: Definition) -> Candidate:
    return Candidate(definition.name, definition.kind, definition.shape, definition.doc)


def _holds(names: tuple[ast.UsedName, ...]) -> bool:
    return any(used.name == PLACEHOLDER for used in names)


def _path(node: object, line: int) -> list[ast.SyntaxNode]:
    """The nodes from a tree to the placeholder on a line of it; empty if it is not there."""
    if isinstance(node, (ast.Name, ast.Attribute)) and node.name == PLACEHOLDER:
        return [node]
    parts: Iterable[object] = ()
    if isinstance(node, tuple):
        parts = node
    elif isinstance(node, ast.SyntaxNode) and node.span.line <= line <= node.span.end_line:
        parts = (getattr(node, field.name) for field in fields(node))
    for part in parts:
        below = _path(part, line)
        if below:
            return [node, *below] if isinstance(node, ast.SyntaxNode) else below
    return []
