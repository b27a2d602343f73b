"""Inputs as journal rows and back: values go through the types of the workflow.

A body is a JSON object with what is there of ``value``, ``error`` and ``message``, its keys
in a fixed order, so that equal inputs have equal bytes. What the engine applies to a case is
always what :meth:`Facts.decode` makes of the row that is written, never the value that came
in: so the case in memory and its replay cannot differ, and nobody outside holds a reference
into the case.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any, Final, TypeAlias, TypeVar, final

import msgspec

from knhk.engine.plain import JSON
from knhk.errors import Misfit, MisfitError, StoreDamaged
from knhk.journal import InputRow
from knhk.kernel import WorkItem
from knhk.model import (
    ADD_INSTANCE,
    COMPLETE,
    CREATE,
    FAIL,
    INPUT_NAMES,
    MESSAGE,
    SKIP,
    Codec,
    Input,
    Net,
    Task,
)

__all__ = [
    "NO_PAYLOADS",
    "Facts",
    "Payloads",
    "decode_json",
    "decode_object",
    "encode_json",
    "encode_snapshot",
    "read_outcome",
    "whole",
]

#: What bodies refer to, by its hash (:mod:`knhk.engine.payloads`).
Payloads: TypeAlias = Mapping[bytes, bytes]
NO_PAYLOADS: Final[Payloads] = MappingProxyType({})

T = TypeVar("T")

_encoder: Final = msgspec.json.Encoder(order="deterministic")
#: A snapshot keeps the order of keys, since ``keys(...)`` gives them in it.
_snapshots: Final = msgspec.json.Encoder()
_decoder: Final = msgspec.json.Decoder()


def encode_json(data: object) -> bytes:
    """Plain JSON values as bytes; raises :class:`MisfitError` where there are none for it."""
    try:
        return _encoder.encode(data)
    except (ValueError, TypeError, OverflowError, RecursionError) as error:
        raise MisfitError((Misfit("", f"cannot be written as JSON: {error}"),)) from error


def encode_snapshot(plain: object) -> bytes:
    """A snapshot of a case as bytes, its keys in the order that they have."""
    return _snapshots.encode(plain)


def decode_json(body: bytes) -> object:
    """Bytes of JSON as plain values; raises ``ValueError``."""
    value: object = _decoder.decode(body)
    return value


def decode_object(body: bytes) -> dict[str, object]:
    """Bytes of a JSON object as plain values; raises ``ValueError``."""
    return _object(decode_json(body))


def whole(body: bytes, payloads: Payloads) -> dict[str, object]:
    """Bytes of a JSON object as plain values, with what it refers to; raises ``ValueError``."""
    found = decode_json(body)
    if not isinstance(found, dict):
        raise ValueError("there is no JSON object")  # noqa: TRY004  of the data, not of a caller
    if "blobs" in found:
        _put_back(found, found.pop("blobs"), payloads)
    return found


def _put_back(found: dict[str, object], references: object, payloads: Payloads) -> None:
    """Put each payload at its place in an object."""
    entries: list[Any] = references if isinstance(references, list) else [None]
    if any(not isinstance(entry, list) or len(entry) != 2 for entry in entries):
        raise ValueError("its references to payloads make no sense")
    try:
        for entry in entries:
            key, path = entry
            place: Any = found
            for step in path[:-1]:
                place = place[step]
            if place[path[-1]] is not None:
                raise ValueError(f"something stands in the place of the payload {key}")
            place[path[-1]] = _payload(key, payloads)
    except (TypeError, LookupError) as error:
        raise ValueError(f"its references to payloads make no sense ({error})") from error


def _payload(key: str, payloads: Payloads) -> object:
    data = payloads.get(bytes.fromhex(key))
    if data is None:
        raise ValueError(f"the payload {key} is missing in the store")
    if not data:
        raise ValueError(f"the payload {key} has been changed: it has another hash now")
    return whole(data, payloads)["value"]


def read_outcome(case: str, decode: Callable[[bytes], T], outcome: bytes) -> T:
    """The outcome that the store holds of a case, or :class:`StoreDamaged`."""
    try:
        return decode(outcome)
    except (ValueError, LookupError, MisfitError) as error:
        raise StoreDamaged(
            f"the store is damaged: the outcome of case {case!r} cannot be read: {error};"
            " go back to a copy of it"
        ) from error


@final
class Facts:
    """The encoding of the inputs of one workflow."""

    def __init__(self, net: Net) -> None:
        self._parameters: dict[str, Codec] = {
            parameter.name: parameter.codec for parameter in net.parameters
        }
        self._results: dict[str, Codec] = {
            node.name: node.task.result or JSON for node in net.nodes if node.task is not None
        }
        self._elements: dict[str, Codec] = {
            node.name: _element(node.task) for node in net.nodes if node.task is not None
        }
        self._multiple: set[str] = {
            node.name
            for node in net.nodes
            if node.task is not None and node.task.for_each is not None
        }
        self._result: Codec = net.result or JSON

    def accept(self, item: WorkItem, value: object) -> object:
        """A result of ``item`` as its typed value, or :class:`MisfitError`.

        Nobody reads what an undo gives: it has none. An item of a multiple-instance task that
        could not list its instances has a list of the results of them all.
        """
        if item.undoes is not None:
            return None
        codec = self._results[item.task]
        if not self._is_unlisted(item):
            return codec.accept(value)
        return [codec.accept(one) for one in _list([] if value is None else value)]

    def accept_instance(self, task: str, value: object) -> object:
        """The value of a new instance of ``task`` as typed, or :class:`MisfitError`."""
        return self._elements[task].accept(value)

    def _is_unlisted(self, item: WorkItem) -> bool:
        return item.instance is None and item.task in self._multiple

    def encode(self, fact: Input, item: WorkItem | None) -> bytes:
        """The body of an input of a work item, or of none. Raises `MisfitError`."""
        if fact.value is None and not fact.error and not fact.message:
            return b""
        body: dict[str, object] = {}
        if fact.error:
            body["error"] = fact.error
        if fact.message:
            body["message"] = fact.message
        if fact.value is not None:
            body["value"] = self._encode_value(fact, item)
        return encode_json(body) if body else b""

    def _encode_value(self, fact: Input, item: WorkItem | None) -> object:
        if fact.kind == CREATE:
            assert isinstance(fact.value, dict)
            return {
                name: codec.encode(fact.value[name]) for name, codec in self._parameters.items()
            }
        if fact.kind in (COMPLETE, SKIP):
            assert item is not None
            codec = self._results[item.task]
            if not self._is_unlisted(item):
                return codec.encode(fact.value)
            return [codec.encode(one) for one in _list(fact.value)]
        if fact.kind == FAIL:
            assert isinstance(fact.value, tuple)
            return list(fact.value)
        if fact.kind == ADD_INSTANCE:
            return self._elements[fact.task].encode(fact.value)
        return JSON.encode(fact.value)

    def decode(
        self, row: InputRow, item: WorkItem | None, payloads: Payloads = NO_PAYLOADS
    ) -> Input:
        """The input of a row; ``item`` is its work item, as it was before that input.

        ``payloads`` are what its body may refer to. Raises :class:`StoreDamaged` for a row that
        does not fit the workflow.
        """
        if not row.body:
            return Input(row.kind, row.at_us, row.item, row.task)
        try:
            body = whole(row.body, payloads)
            value = self._decode_value(row, body.get("value"), item)
            return Input(
                row.kind,
                row.at_us,
                row.item,
                row.task,
                value,
                str(body.get("error", "")),
                str(body.get("message", "")),
            )
        except (ValueError, TypeError, LookupError, MisfitError) as error:
            name = INPUT_NAMES[row.kind] if 0 <= row.kind < len(INPUT_NAMES) else str(row.kind)
            raise StoreDamaged(
                f"the store is damaged: input {row.seq} ({name}) of case {row.case!r}"
                f" cannot be read: {error}; go back to a copy of it"
            ) from error

    def _decode_value(self, row: InputRow, data: object, item: WorkItem | None) -> object:
        kind = row.kind
        if data is None:
            return None
        if kind == CREATE:
            given = _object(data)
            return {name: codec.decode(given[name]) for name, codec in self._parameters.items()}
        if kind in (COMPLETE, SKIP) and item is not None:
            codec = self._results[item.task]
            if not self._is_unlisted(item):
                return codec.decode(data)
            return [codec.decode(one) for one in _list(data)]
        if kind == FAIL:
            if not isinstance(data, list):
                raise ValueError("the names of its error's bases are no list")
            return tuple(str(name) for name in data)
        if kind == ADD_INSTANCE:
            return self._elements[row.task].decode(data)
        if kind == MESSAGE and _object(data).keys() != {"key", "payload"}:
            raise ValueError("a message has a key and a payload")
        return JSON.decode(data)

    def encode_result(self, result: object) -> bytes:
        """The result of a case as JSON bytes."""
        return encode_json({"result": self._result.encode(result)})

    def decode_result(self, outcome: bytes) -> object:
        """The result of a case, typed; raises `ValueError`, `LookupError` or `MisfitError`."""
        return self._result.decode(_object(decode_json(outcome))["result"])


def _element(task: Task) -> Codec:
    """The type of an instance's value; an instance of ``times`` has none that could misfit."""
    if task.for_each is None or task.for_each.element is None:
        return JSON
    return task.for_each.element


def _list(data: object) -> list[object]:
    if not isinstance(data, list):
        raise MisfitError((Misfit("", "a list of results is needed"),))
    return data


def _object(data: object) -> dict[str, object]:
    if not isinstance(data, dict):
        raise ValueError("there is no JSON object")  # noqa: TRY004  of the data, not of a caller
    return data
