"""Types at run time: codecs, pydantic models of records, Python enumerations.

One codec per type, made when it is first asked for, as building models takes time. The rules
of :mod:`knhk_dsl.values.scalars` hold everywhere: the fields of a record's model are validated by
the same codecs, so ``Item(price="12.50")`` in Python does what ``{"price": "12.50"}`` does in an
input file.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Mapping
from datetime import date, datetime, timedelta
from decimal import Decimal
from enum import Enum
from typing import TYPE_CHECKING, Annotated, Any, Final

from knhk.errors import Misfit, MisfitError
from knhk.model import Codec
from knhk_dsl.report import did_you_mean
from knhk_dsl.values.plain import below, kind_of, misfit
from knhk_dsl.values.scalars import SCALAR_CODECS
from knhk_dsl.values.types import (
    DictOf,
    Enumeration,
    ListOf,
    Maybe,
    Record,
    Scalar,
    Type,
)

if TYPE_CHECKING:
    from pydantic import BaseModel

#: Misfits that one value reports; a list of a million wrong elements says so once.
MISFITS_MAX: Final = 100

_PYTHON_TYPES: Final[dict[str, object]] = {
    "str": str,
    "int": int,
    "float": float,
    "bool": bool,
    "decimal": Decimal,
    "bytes": bytes,
    "date": date,
    "datetime": datetime,
    "duration": timedelta,
}

#: Gives the default of a record's field: the record, the field's name.
FieldDefault = Callable[[Record, str], object]


class Codecs:
    """The codecs, models and enumerations of one compilation, each made once.

    ``default`` evaluates the default of a field that has one.
    """

    def __init__(self, default: FieldDefault) -> None:
        self._default = default
        self._codecs: dict[Type, Codec] = {}
        self._models: dict[Record, type[BaseModel]] = {}
        self._enums: dict[Enumeration, type[Enum]] = {}

    def codec(self, type_: Type) -> Codec:
        """The codec of a type."""
        if isinstance(type_, Scalar):
            return SCALAR_CODECS[type_.name]
        found = self._codecs.get(type_)
        if found is None:
            found = self._codecs[type_] = self._make(type_)
        return found

    def _make(self, type_: Type) -> Codec:
        if isinstance(type_, ListOf):
            return ListCodec(str(type_), self.codec(type_.element))
        if isinstance(type_, DictOf):
            return DictCodec(str(type_), self.codec(type_.value))
        if isinstance(type_, Maybe):
            return MaybeCodec(str(type_), self.codec(type_.inner))
        if isinstance(type_, Record):
            return RecordCodec(type_, self)
        assert isinstance(type_, Enumeration), type_
        return EnumCodec(type_.name, self.enum(type_))

    def enum(self, enumeration: Enumeration) -> type[Enum]:
        """The Python enumeration: its members are texts too, and equal to them."""
        found = self._enums.get(enumeration)
        if found is None:
            members = [(name, name) for name in enumeration.members]
            made: Any = Enum
            found = made(enumeration.name, members, module="knhk.records", type=str)
            assert found is not None
            self._enums[enumeration] = found
        return found

    def default(self, record: Record, name: str) -> object:
        """The default of a field, typed."""
        if not record.fields[name].defaulted:
            return None
        return self.codec(record.fields[name].type).accept(self._default(record, name))

    def model(self, record: Record) -> type[BaseModel]:
        """The pydantic model of a record: frozen, and without further fields."""
        found = self._models.get(record)
        if found is not None:
            return found
        from pydantic import ConfigDict, create_model

        fields: dict[str, Any] = {name: self._field(record, name) for name in record.fields}
        with warnings.catch_warnings():
            # A field may be called `json` or `copy`, as those of pydantic's own methods.
            warnings.simplefilter("ignore", UserWarning)
            model = create_model(
                record.name,
                __config__=ConfigDict(frozen=True, extra="forbid", protected_namespaces=()),
                __doc__=record.doc or None,
                __module__="knhk.records",
                **fields,
            )
        model.knhk_fields = frozenset(record.fields)
        self._models[record] = model
        return self._models[record]

    def _field(self, record: Record, name: str) -> tuple[object, object]:
        from pydantic import Field, PlainSerializer, PlainValidator

        type_ = record.fields[name].type

        def accept(value: object) -> object:
            try:
                return self.codec(type_).accept(value)
            except MisfitError as error:
                raise ValueError(str(error)) from None

        def encode(value: object) -> object:
            return self.codec(type_).encode(value)

        annotation = Annotated[
            Any,
            PlainValidator(accept, json_schema_input_type=_hint(type_)),
            PlainSerializer(encode, when_used="json"),
        ]
        if record.fields[name].required or record.structural:
            return annotation, ...
        return annotation, Field(default_factory=lambda: self.default(record, name))


def _hint(type_: Type) -> Any:  # noqa: ANN401  a type as pydantic takes it
    """The Python type of a value, for JSON schemas; records stand as objects."""
    if isinstance(type_, Scalar):
        return _PYTHON_TYPES.get(type_.name, Any)
    if isinstance(type_, ListOf):
        return list[_hint(type_.element)]  # type: ignore[misc]
    if isinstance(type_, Maybe):
        return _hint(type_.inner) | None
    if isinstance(type_, Enumeration):
        return str
    return dict[str, Any]


class _Misfits:
    """Misfits of the parts of one value, up to a bound."""

    __slots__ = ("found",)

    def __init__(self) -> None:
        self.found: list[Misfit] = []

    def add(self, path: str, error: MisfitError) -> None:
        self.found.extend(below(path, error.misfits))
        if len(self.found) >= MISFITS_MAX:
            raise MisfitError(self.found[:MISFITS_MAX])

    def check(self) -> None:
        if self.found:
            raise MisfitError(self.found)


class ListCodec:
    """``list[T]``; tuples and sets are taken too, a set in sorted order if it has one."""

    def __init__(self, text: str, element: Codec) -> None:
        self.text = text
        self._element = element

    def accept(self, value: object) -> object:
        """The list with every element accepted."""
        if isinstance(value, (set, frozenset)):
            try:
                value = sorted(value)
            except TypeError:
                value = list(value)
        if not isinstance(value, (list, tuple)):
            raise misfit(f"must be a list, not {kind_of(value)}")
        accept, misfits, accepted = self._element.accept, _Misfits(), []
        for index, element in enumerate(value):
            try:
                accepted.append(accept(element))
            except MisfitError as error:
                misfits.add(f"[{index}]", error)
        misfits.check()
        return accepted

    def encode(self, value: object) -> object:
        """The list with every element encoded."""
        assert isinstance(value, (list, tuple))
        return [self._element.encode(element) for element in value]

    def decode(self, data: object) -> object:
        """The list with every element decoded."""
        assert isinstance(data, list)
        return [self._element.decode(element) for element in data]


class DictCodec:
    """``dict[str, T]``."""

    def __init__(self, text: str, value: Codec) -> None:
        self.text = text
        self._value = value

    def accept(self, value: object) -> object:
        """The dictionary with every value accepted."""
        if not isinstance(value, Mapping):
            raise misfit(f"must be a dictionary, not {kind_of(value)}")
        misfits, accepted = _Misfits(), {}
        for key, part in value.items():
            if not isinstance(key, str):
                misfits.add("", misfit(f"has {kind_of(key)} as a key: keys are text"))
                continue
            try:
                accepted[str(key.value) if isinstance(key, Enum) else key] = self._value.accept(
                    part
                )
            except MisfitError as error:
                misfits.add(key, error)
        misfits.check()
        return accepted

    def encode(self, value: object) -> object:
        """The dictionary with every value encoded."""
        assert isinstance(value, dict)
        return {key: self._value.encode(part) for key, part in value.items()}

    def decode(self, data: object) -> object:
        """The dictionary with every value decoded."""
        assert isinstance(data, dict)
        return {key: self._value.decode(part) for key, part in data.items()}


class MaybeCodec:
    """``T?``."""

    def __init__(self, text: str, inner: Codec) -> None:
        self.text = text
        self._inner = inner

    def accept(self, value: object) -> object:
        """None, or what T accepts."""
        return None if value is None else self._inner.accept(value)

    def encode(self, value: object) -> object:
        """None, or as T encodes."""
        return None if value is None else self._inner.encode(value)

    def decode(self, data: object) -> object:
        """None, or as T decodes."""
        return None if data is None else self._inner.decode(data)


class EnumCodec:
    """An enumeration: a member of it, or the member's name."""

    def __init__(self, text: str, enum: type[Enum]) -> None:
        self.text = text
        self._enum = enum
        self._members: dict[object, Enum] = {member.value: member for member in enum}

    def accept(self, value: object) -> object:
        """The member."""
        name = value.value if isinstance(value, Enum) else value
        member = self._members.get(name) if isinstance(name, str) else None
        if member is not None:
            return member
        names = ", ".join(str(member.value) for member in self._enum)
        given = repr(name) if isinstance(name, str) else kind_of(value)
        raise misfit(f"must be one of {names}, not {given[:80]}")

    def encode(self, value: object) -> object:
        """The member's name."""
        assert isinstance(value, Enum)
        return value.value

    def decode(self, data: object) -> object:
        """The member."""
        return self.accept(data)


class RecordCodec:
    """A record: its model, a mapping of its fields, or any object that has them."""

    def __init__(self, record: Record, codecs: Codecs) -> None:
        self.text = record.name
        self._record = record
        self._codecs = codecs
        self._is_class = record.structural and not record.mapping
        self._model: type[BaseModel] | None = None
        self._fields: list[tuple[str, Codec, bool]] = []

    def _prepare(self) -> None:
        """Made at the first use: a record may hold itself."""
        self._fields = [
            # The defaults of a Python class are known to Python only: its objects have them.
            (name, self._codecs.codec(field.type), field.required or self._is_class)
            for name, field in self._record.fields.items()
        ]
        self._model = None if self._record.mapping else self._codecs.model(self._record)

    def accept(self, value: object) -> object:
        """The record as a model, or as a dictionary if it is a mapping."""
        if not self._fields:
            self._prepare()
        if self._model is not None and type(value) is self._model:
            return value
        try:
            given = self._given(value)
            misfits = _Misfits()
            accepted: dict[str, Any] = {}
            for name, codec, required in self._fields:
                try:
                    if name in given:
                        accepted[name] = codec.accept(given[name])
                    elif required:
                        raise misfit("is missing")
                    elif self._model is not None:
                        accepted[name] = self._codecs.default(self._record, name)
                except MisfitError as error:
                    misfits.add(name, error)
            self._refuse_others(given, misfits)
            misfits.check()
        except RecursionError:
            raise misfit("is nested too deeply") from None
        return accepted if self._model is None else self._model.model_construct(**accepted)

    def _given(self, value: object) -> Mapping[object, object]:
        if isinstance(value, Mapping):
            return value
        # A list has an attribute `count`, a date one `year`: those are no records.
        if value is None or type(value).__module__ in ("builtins", "datetime", "decimal"):
            raise misfit(f"must be {_a(self.text)}, not {kind_of(value)}")
        missing = object()
        pairs = ((name, getattr(value, name, missing)) for name, _, _ in self._fields)
        return {name: part for name, part in pairs if part is not missing}

    def _refuse_others(self, given: Mapping[object, object], misfits: _Misfits) -> None:
        fields = self._record.fields
        if self._record.structural or (len(given) <= len(fields) and fields.keys() >= given.keys()):
            return
        for name in given:
            if name not in fields:
                hint = did_you_mean(str(name), fields)
                words = f"is not a field of {self.text}" + (f"; {hint}" if hint else "")
                misfits.add(str(name)[:80], misfit(words))

    def encode(self, value: object) -> object:
        """The fields as an object."""
        if not self._fields:
            self._prepare()
        if isinstance(value, dict):
            return {n: codec.encode(value[n]) for n, codec, _ in self._fields if n in value}
        return {name: codec.encode(getattr(value, name)) for name, codec, _ in self._fields}

    def decode(self, data: object) -> object:
        """The record of its encoded fields."""
        if not self._fields:
            self._prepare()
        assert isinstance(data, dict)
        decoded: dict[str, Any] = {
            n: codec.decode(data[n]) for n, codec, _ in self._fields if n in data
        }
        if self._model is None:
            return decoded
        # Data of an older version of the file may lack a field that has a default.
        for name, _, required in self._fields:
            if name not in decoded and not required:
                decoded[name] = self._codecs.default(self._record, name)
        return self._model.model_construct(**decoded)


def _a(name: str) -> str:
    return f"{'an' if name[:1].lower() in 'aeiou' else 'a'} {name}"
