"""Signatures of Python callables, read from their annotations without importing them."""

from __future__ import annotations

import ast
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from knhk_dsl.names.arguments import ANYTHING, CallParameter, CallSignature
from knhk_dsl.names.pymodules import Definition, PythonModule, PythonModules, UnreadableModule
from knhk_dsl.values.types import (
    BOOL,
    BYTES,
    DATE,
    DATETIME,
    DECIMAL,
    DURATION,
    FLOAT,
    INT,
    JSON,
    NONE,
    STR,
    UNKNOWN,
    DictOf,
    Field,
    ListOf,
    Maybe,
    Record,
    Type,
    common,
    maybe,
)

#: Imports that are followed from one module to the next to find a definition.
IMPORTS_MAX: Final = 8

_SCALARS: Final[dict[str, Type]] = {
    "str": STR,
    "int": INT,
    "float": FLOAT,
    "bool": BOOL,
    "bytes": BYTES,
    "Decimal": DECIMAL,
    "date": DATE,
    "datetime": DATETIME,
    "timedelta": DURATION,
    "None": NONE,
    "Any": UNKNOWN,
    "object": UNKNOWN,
}
_LISTS: Final = frozenset(
    [
        "list",
        "List",
        "tuple",
        "Tuple",
        "set",
        "Set",
        "frozenset",
        "FrozenSet",
        "Sequence",
        "MutableSequence",
        "Iterable",
        "Collection",
    ]
)
_DICTS: Final = frozenset({"dict", "Dict", "Mapping", "MutableMapping"})
#: Wrappers whose last argument is the type, and those whose first is.
_LAST: Final = frozenset({"Coroutine", "Generator"})
_FIRST: Final = frozenset(
    [
        "Awaitable",
        "Annotated",
        "Final",
        "Required",
        "NotRequired",
        "ReadOnly",
        "ClassVar",
        "InitVar",
    ]
)
_RECORD_BASES: Final = frozenset({"BaseModel", "TypedDict", "NamedTuple", "Struct"})


class NoSuchName(Exception):
    """A module that was read and does not define the name; ``known`` are those it does."""

    def __init__(self, known: list[str]) -> None:
        self.known = known
        super().__init__()


@dataclass(frozen=True, slots=True)
class PythonPlace:
    """Where a Python callable is defined, as an editor counts (from 0), and its docstring."""

    path: Path
    line: int
    column: int
    doc: str


class Signatures:
    """Signatures of the callables that the sources use from Python, each read once."""

    def __init__(self) -> None:
        self.modules = PythonModules()
        self._records: dict[tuple[Path, str], Record] = {}

    def of(
        self, module: str, name: str, directories: tuple[Path, ...], types: Mapping[str, Type]
    ) -> CallSignature | None:
        """The signature of ``name``; ``None`` when there is no such module.

        ``types`` are the records and enumerations visible in the source: an annotation of
        the same name means these. Raises NoSuchName and UnreadableModule.
        """
        found = self.modules.find(module, directories)
        if found is None:
            built_in = module.partition(".")[0] in sys.builtin_module_names
            return ANYTHING if built_in else None
        definition, home = self._definition(found, name)
        if definition is None:
            if name not in found.names and not found.open:
                raise NoSuchName([n for n in found.names if not n.startswith("_")])
            return ANYTHING
        reader = _AnnotationReader(self, home, types)
        if isinstance(definition, ast.ClassDef):
            return CallSignature((), reader.class_type(definition), UNKNOWN, UNKNOWN)
        return _function_signature(definition, reader)

    def place(self, module: str, name: str, directories: tuple[Path, ...]) -> PythonPlace | None:
        """Where a name is defined, if that can be read."""
        try:
            found = self.modules.find(module, directories)
        except UnreadableModule:
            return None
        definition, home = (None, None) if found is None else self._definition(found, name)
        if definition is None or home is None:
            return None
        doc = ast.get_docstring(definition) or ""
        return PythonPlace(home.path, definition.lineno - 1, definition.col_offset, doc)

    def _definition(
        self, module: PythonModule, name: str
    ) -> tuple[Definition | None, PythonModule]:
        for _ in range(IMPORTS_MAX):
            definition = module.definitions.get(name)
            wanted = module.imports.get(name)
            if definition is not None or wanted is None:
                return definition, module
            try:
                following = self.modules.follow(module, wanted)
            except UnreadableModule:
                return None, module
            if following is None:
                return None, module
            module, name = following, wanted.original
        return None, module

    def class_named(
        self, module: PythonModule, name: str, types: Mapping[str, Type]
    ) -> Type | None:
        """The record that a class means, if ``name`` is a class with annotated fields."""
        definition, home = self._definition(module, name)
        if not isinstance(definition, ast.ClassDef):
            return None
        return _AnnotationReader(self, home, types).class_type(definition)

    def record(self, home: PythonModule, definition: ast.ClassDef) -> tuple[Record, bool]:
        """The record of a class, and whether it is new and has no fields yet."""
        key = (home.path, definition.name)
        found = self._records.get(key)
        if found is not None:
            return found, False
        mapping = "TypedDict" in _base_names(definition)
        doc = ast.get_docstring(definition) or ""
        made = Record(definition.name, doc, structural=True, mapping=mapping)
        self._records[key] = made
        return made, True


def _base_names(definition: ast.ClassDef) -> set[str]:
    return {_last_name(base) for base in definition.bases}


def _last_name(node: ast.expr) -> str:
    if isinstance(node, ast.Call):
        node = node.func
    if isinstance(node, ast.Subscript):
        node = node.value
    if isinstance(node, ast.Attribute):
        return node.attr
    return node.id if isinstance(node, ast.Name) else ""


class _AnnotationReader:
    """Turns the annotations of one module into types."""

    def __init__(
        self, signatures: Signatures, module: PythonModule, types: Mapping[str, Type]
    ) -> None:
        self._signatures = signatures
        self._module = module
        self._types = types

    def type_of(self, node: ast.expr | None, depth: int = 0) -> Type:
        """The type of an annotation; UNKNOWN where it says nothing."""
        if node is None or depth > _ANNOTATION_DEPTH_MAX:
            return UNKNOWN
        if isinstance(node, ast.Constant):
            return self._constant(node, depth)
        if isinstance(node, ast.BinOp) and isinstance(node.op, ast.BitOr):
            return common(self.type_of(node.left, depth + 1), self.type_of(node.right, depth + 1))
        if isinstance(node, ast.Subscript):
            return self._generic(node, depth)
        return self._named(_last_name(node))

    def _constant(self, node: ast.Constant, depth: int) -> Type:
        if node.value is None:
            return NONE
        if not isinstance(node.value, str):
            return UNKNOWN
        try:
            return self.type_of(ast.parse(node.value, mode="eval").body, depth + 1)
        except (SyntaxError, ValueError):
            return UNKNOWN

    def _generic(self, node: ast.Subscript, depth: int) -> Type:
        name = _last_name(node.value)
        inside = node.slice.elts if isinstance(node.slice, ast.Tuple) else [node.slice]
        if name == "Literal":
            return self._literal(inside)
        arguments = [self.type_of(part, depth + 1) for part in inside]
        if name == "Optional":
            return maybe(arguments[0])
        if name == "Union":
            merged = arguments[0]
            for argument in arguments[1:]:
                merged = common(merged, argument)
            return merged
        if name in _LISTS:
            return ListOf(_known(_merged(arguments)))
        if name in _DICTS and len(arguments) == 2:
            return DictOf(_known(arguments[1]))
        if name in _FIRST:
            return arguments[0]
        return arguments[-1] if name in _LAST else self._named(name)

    def _literal(self, values: list[ast.expr]) -> Type:
        kinds = {type(v.value) if isinstance(v, ast.Constant) else object for v in values}
        if len(kinds) == 1:
            return {str: STR, int: INT, bool: BOOL}.get(kinds.pop(), JSON)
        return JSON

    def _named(self, name: str) -> Type:
        if name in self._types:
            return self._types[name]
        if name in _SCALARS:
            return _SCALARS[name]
        if name in _LISTS:
            return ListOf(JSON)
        if name in _DICTS:
            return DictOf(JSON)
        found = self._signatures.class_named(self._module, name, self._types)
        return UNKNOWN if found is None else found

    def class_type(self, definition: ast.ClassDef) -> Type:
        """A class with annotated fields as a record, any other as json."""
        decorators = {_last_name(decorator) for decorator in definition.decorator_list}
        bases = _base_names(definition)
        if not bases & _RECORD_BASES and not decorators & _RECORD_DECORATORS:
            parent = self._parent_fields(bases)
            if not parent:
                return JSON
        record, is_new = self._signatures.record(self._module, definition)
        if is_new:
            record.fields.update(self._parent_fields(bases))
            record.fields.update(self._own_fields(definition))
        return record if record.fields or not is_new else JSON

    def _parent_fields(self, bases: set[str]) -> dict[str, Field]:
        fields: dict[str, Field] = {}
        for base in sorted(bases - _RECORD_BASES - {"object", ""}):
            if base in self._module.definitions or base in self._module.imports:
                found = self._signatures.class_named(self._module, base, self._types)
                if isinstance(found, Record):
                    fields.update(found.fields)
        return fields

    def _own_fields(self, definition: ast.ClassDef) -> dict[str, Field]:
        total = not any(
            keyword.arg == "total"
            and isinstance(keyword.value, ast.Constant)
            and keyword.value.value is False
            for keyword in definition.keywords
        )
        fields: dict[str, Field] = {}
        for statement in definition.body:
            if not isinstance(statement, ast.AnnAssign) or not isinstance(
                statement.target, ast.Name
            ):
                continue
            annotation, name = statement.annotation, statement.target.id
            wrapper = _last_name(annotation) if isinstance(annotation, ast.Subscript) else ""
            if name.startswith("_") or wrapper in ("ClassVar", "InitVar"):
                continue
            required = statement.value is None and total and wrapper != "NotRequired"
            type_ = _known(self.type_of(annotation))
            if not required and "TypedDict" in _base_names(definition):
                type_ = maybe(type_)
            fields[name] = Field(type_, required)
        return fields


#: Annotations nested deeper than this are not looked into.
_ANNOTATION_DEPTH_MAX: Final = 50
_RECORD_DECORATORS: Final = frozenset({"dataclass", "define", "frozen", "attrs", "attr", "s"})


def _known(type_: Type) -> Type:
    """Inside containers and records an unknown type is json, so that it can be stored."""
    if isinstance(type_, Maybe):
        return maybe(_known(type_.inner))
    return JSON if type_ is UNKNOWN or type_ is NONE else type_


def _merged(types: list[Type]) -> Type:
    merged: Type = types[0] if types else JSON
    for type_ in types[1:]:
        merged = merged if type_ is UNKNOWN else common(merged, type_)
    return merged


def _function_signature(
    definition: ast.FunctionDef | ast.AsyncFunctionDef, reader: _AnnotationReader
) -> CallSignature:
    arguments = definition.args
    parameters: list[CallParameter] = []
    placed = [*arguments.posonlyargs, *arguments.args]
    first_default = len(placed) - len(arguments.defaults)
    for index, argument in enumerate(placed):
        if _takes_call(argument):
            continue
        parameters.append(
            CallParameter(
                argument.arg,
                reader.type_of(argument.annotation),
                required=index < first_default,
                positional_only=index < len(arguments.posonlyargs),
            )
        )
    for argument, default in zip(arguments.kwonlyargs, arguments.kw_defaults, strict=True):
        if _takes_call(argument) or (argument.annotation is None and argument.arg == "call"):
            continue
        type_ = reader.type_of(argument.annotation)
        parameters.append(CallParameter(argument.arg, type_, default is None, keyword_only=True))
    return CallSignature(
        tuple(parameters),
        _known(reader.type_of(definition.returns)),
        reader.type_of(arguments.vararg.annotation) if arguments.vararg else None,
        reader.type_of(arguments.kwarg.annotation) if arguments.kwarg else None,
    )


def _takes_call(argument: ast.arg) -> bool:
    """Whether the engine gives this argument itself: the :class:`knhk.call.Call`."""
    annotation = argument.annotation
    if isinstance(annotation, ast.Constant) and isinstance(annotation.value, str):
        return annotation.value.rpartition(".")[2] == "Call"
    return annotation is not None and _last_name(annotation) == "Call"
