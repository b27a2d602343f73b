"""Large values stand once in the store, by their content's hash; bodies refer to them.

Theory of operation. A body (of an input, an outcome, a snapshot) is a JSON object whose keys are
ours. Where it is longer than ``Limits.inline_bytes_max``, every part of it that is longer is taken
out, the innermost first: ``null`` stands in its place, and the key ``blobs``, the first one, lists
what is missing::

    {"blobs": [["6437b3ac...", ["value", "document"]]], "value": {"document": null, "n": 3}}

A reference is the hash (BLAKE3) of what stands elsewhere and the path to its place. So no value of
a user is ever taken for a reference, whatever it looks like: what is a reference says the list,
and not the place. What is taken out is a body again, ``{"value": ...}``, and may have references
of its own. Whether a part is taken out depends on nothing but itself; so the same document has the
same hash whether it is a parameter, in a result, or deep in the data of a snapshot.

The hash chain runs over rows as they stand in the store, and so over these hashes: what is taken
out is sealed as well. Only inputs and outcomes take parts out, and they stay as long as their case
does; snapshots, of which only the last is kept, just refer to what is out already. So no payload
ever stands in a store without a row that needs it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Final, TypeAlias, final

from blake3 import blake3

from knhk.engine.facts import Payloads, decode_json, encode_json, encode_snapshot, whole
from knhk.journal import Journal, Stored

__all__ = [
    "fetched",
    "joined",
    "put_away",
    "put_away_known",
    "referring",
    "refers",
    "with_payloads",
]

#: What a body with references begins with. No other body does: ours have other keys.
_MARK: Final = b'{"blobs":'
#: The size of a reference, and of a value that is neither a text nor made of others, about.
_REFERENCE_BYTES: Final = 80
_ATOM_BYTES: Final = 8
#: The size of what cannot be a payload that is out already, as a part of it is none.
_NOT_KNOWN: Final = 1 << 60

#: The hash of a payload in hexadecimal, and the path to its place.
_Reference: TypeAlias = tuple[str, list[str | int]]
#: What is left of a value, its size in bytes about, and what was taken out of it.
_Rest: TypeAlias = tuple[object, int, list[_Reference]]


def refers(body: bytes) -> bool:
    """Whether a body has references."""
    return body.startswith(_MARK)


def put_away(body: bytes, inline_bytes_max: int) -> tuple[bytes, dict[bytes, bytes]]:
    """What a body is in a row, and the payloads it then refers to by their hashes."""
    taken: dict[bytes, bytes] = {}

    def take(data: bytes) -> bytes:
        key = blake3(data).digest()
        taken[key] = data
        return key

    try:
        plain = decode_json(body)
        found = _without_large(plain, _Taker(inline_bytes_max, encode_json, take))
    except RecursionError:  # it nests too deep to be looked at, and stays where it is
        return body, {}
    return (body, {}) if found is None else (encode_json(found), taken)


def put_away_known(
    plain: dict[str, object], inline_bytes_max: int, known: set[bytes]
) -> dict[str, object]:
    """A snapshot that refers to those of its values that are ``known`` to be in the store."""

    def take(data: bytes) -> bytes | None:
        key = blake3(data).digest()
        return key if key in known else None

    try:
        found = _without_large(plain, _Taker(inline_bytes_max, encode_snapshot, take))
    except RecursionError:
        return plain
    return plain if found is None else found


def _without_large(plain: object, taker: _Taker) -> dict[str, object] | None:
    """An object whose large values are taken out; ``None`` if there are none."""
    assert isinstance(plain, dict)
    rest, _, references = taker.parts(plain)
    if not references:
        return None
    assert isinstance(rest, dict)
    return {"blobs": references, **rest}


@final
class _Taker:
    """Takes large values out of others; ``take`` gives their hashes, or ``None`` to leave one."""

    def __init__(
        self,
        inline_bytes_max: int,
        encode: Callable[[object], bytes],
        take: Callable[[bytes], bytes | None],
    ) -> None:
        self._max = inline_bytes_max
        self._encode = encode
        self._take = take

    def parts(self, value: list[object] | dict[str, object]) -> _Rest:
        """A list or an object whose parts have been taken out where they are large."""
        made: list[object] | dict[str, object] = value
        size, references = 0, list[_Reference]()
        entries = value.items() if isinstance(value, dict) else enumerate(value)
        for key, part in entries:
            if isinstance(key, str):
                size += len(key)
            if isinstance(part, str):
                part_bytes = _text_bytes(part)
                if part_bytes <= self._max:
                    size += part_bytes
                    continue
                rest, part_bytes, taken = self._out((part, part_bytes, []))
            elif isinstance(part, (list, dict)):
                rest, part_bytes, taken = self.parts(part)
                if self._max < part_bytes < _NOT_KNOWN:
                    rest, part_bytes, taken = self._out((rest, part_bytes, taken))
            else:
                size += _ATOM_BYTES
                continue
            size += part_bytes
            for reference in taken:
                reference[1].insert(0, key)
            references += taken
            if rest is not part:
                if made is value:
                    made = dict(value) if isinstance(value, dict) else list(value)
                made[key] = rest  # type: ignore[index]  # a key of one or the other
        return made, size, references

    def _out(self, rest: _Rest) -> _Rest:
        value, _, references = rest
        payload: dict[str, object] = {"value": value}
        if references:
            inner = [(key, ["value", *path]) for key, path in references]
            payload = {"blobs": inner, **payload}
        key = self._take(self._encode(payload))
        if key is None:
            return value, _NOT_KNOWN, references
        return None, _REFERENCE_BYTES, [(key.hex(), [])]


def _text_bytes(text: str) -> int:
    return len(text) if text.isascii() else len(text.encode("utf-8", "surrogatepass"))


def fetched(journal: Journal, bodies: Iterable[bytes]) -> Payloads:
    """All that bodies refer to, by hash. What is damaged is empty, what is missing is not there."""
    found: dict[bytes, bytes] = {}
    wanted = {key for body in bodies for key in _references(body)}
    while wanted:
        there = journal.blobs(list(wanted))
        found |= {key: data if blake3(data).digest() == key else b"" for key, data in there.items()}
        more = {key for data in there.values() for key in _references(data)}
        wanted = more - found.keys() - wanted
    return found


def referring(stored: Stored) -> list[bytes]:
    """The bodies that have references, of what is stored of a case."""
    bodies = [entry.body for entry in stored.inputs if refers(entry.body)]
    if stored.snapshot is not None and refers(stored.snapshot.body):
        bodies.append(stored.snapshot.body)
    return bodies


def with_payloads(journal: Journal, stored: Stored) -> Stored:
    """What is stored of a case, with the payloads that its bodies refer to."""
    return stored._replace(payloads=fetched(journal, referring(stored)))


def _references(body: bytes) -> Iterable[bytes]:
    if not refers(body):
        return
    try:
        plain = decode_json(body)
        entries = plain["blobs"] if isinstance(plain, dict) else ()
        for key, _ in entries:
            yield bytes.fromhex(key)
    except (ValueError, TypeError):
        return  # whoever reads the body will say so


def joined(body: bytes, payloads: Mapping[bytes, bytes]) -> bytes:
    """A body as it was before parts of it were put away. Raises ``ValueError``."""
    return encode_json(whole(body, payloads)) if refers(body) else body
