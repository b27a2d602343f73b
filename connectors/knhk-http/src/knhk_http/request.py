"""From the values of a workflow to a request: path, query, headers, body.

Whatever a workflow gives here may come from its data, so nothing in it may lead to another
host or out of the connector's ``base_url``, or smuggle in a header.
"""

from __future__ import annotations

import json as jsonlib
import re
from collections.abc import Iterator, Mapping
from typing import Final
from urllib.parse import quote, unquote, urlencode

from pydantic_core import PydanticSerializationError, to_jsonable_python

from knhk.errors import ArgumentError, Misfit

#: The header by which a service tells a repeated request from a new one
#: (draft-ietf-httpapi-idempotency-key-header).
IDEMPOTENCY_KEY: Final = "Idempotency-Key"
#: Methods that may be repeated without harm, and need no key (RFC 9110, section 9.2.1).
SAFE_METHODS: Final = frozenset({"GET", "HEAD", "OPTIONS", "TRACE"})

# RFC 9110, section 5.6.2: what methods and the names of headers are made of.
_TOKEN: Final = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
_HEADER_VALUE: Final = re.compile(r"[\t\x20-\x7e]*")
_SEPARATOR: Final = re.compile(r"[/\\]|%2f|%5c", re.IGNORECASE)
#: Headers that the client sets itself: they say how the message is sent.
_OF_THE_CLIENT: Final = frozenset(
    {"connection", "content-length", "host", "te", "trailer", "transfer-encoding", "upgrade"}
)


def method_word(method: str) -> str:
    """The method in capitals; raises :class:`~knhk.errors.ArgumentError` if it is none."""
    if not _TOKEN.fullmatch(method):
        raise _misfit("method", "must be a word such as GET")
    return method.upper()


def relative_path(path: str) -> str:
    """The path, escaped, to be appended to ``base_url``.

    Raises :class:`~knhk.errors.ArgumentError` for whole URLs and for paths that lead out.
    """
    if re.match(r"[A-Za-z][A-Za-z0-9+.-]*:", path) or path.startswith("//"):
        raise _misfit("path", "must be a path below the connector's base_url, not a whole URL")
    if "?" in path or "#" in path:
        raise _misfit("path", "must end before `?` and `#`: give the query as params")
    if any(
        unquote(part) in (".", "..")
        for part in re.split(r"[/\\]|%2f|%5c", path, flags=re.IGNORECASE)
    ):
        raise _misfit("path", "must not lead upwards with `..` or `.`")
    return quote(path, safe="/%:@!$&'()*+,;=~-._")


def query_text(name: str, values: Mapping[str, object]) -> str:
    """The values as a query or form: lists repeat their key, ``none`` is left out."""
    return urlencode(list(_pairs(name, values)))


def json_text(value: object) -> str:
    """A value as JSON: decimals, dates and durations as text, bytes as base64."""
    try:
        return jsonlib.dumps(
            _plain("json", value), ensure_ascii=False, allow_nan=False, separators=(",", ":")
        )
    except ValueError as error:
        raise _misfit("json", f"has no form in JSON: {error}") from None


def request_headers(headers: Mapping[str, str]) -> dict[str, str]:
    """The headers; raises :class:`~knhk.errors.ArgumentError` naming all that cannot be sent."""
    problems = [
        Misfit(f"headers.{name}", problem)
        for name, value in headers.items()
        if (problem := header_problem(name, value))
    ]
    if problems:
        raise ArgumentError(problems)
    return dict(headers)


def header_problem(name: str, value: str) -> str:
    """Why a header cannot be sent; empty if it can."""
    if not _TOKEN.fullmatch(name):
        return "is no name for a header: use letters, digits and `-`"
    if name.lower() in _OF_THE_CLIENT:
        return "is set by the connector itself; leave it out"
    if not _HEADER_VALUE.fullmatch(value):
        return "must be printable ASCII on one line"
    return ""


def key_text(key: str) -> str:
    """An idempotency key as it may stand in a header."""
    return quote(key, safe="!$&'()*+,/:;=?@[]~-._ ")


def _pairs(name: str, values: Mapping[str, object]) -> Iterator[tuple[str, str]]:
    for key, value in values.items():
        plain = _plain(f"{name}.{key}", value)
        for part in plain if isinstance(plain, list) else [plain]:
            if isinstance(part, (list, dict)):
                raise _misfit(f"{name}.{key}", "must be a single value or a list of them")
            if isinstance(part, bool):
                yield key, "true" if part else "false"
            elif part is not None:
                yield key, str(part)


def _plain(path: str, value: object) -> object:
    try:
        plain: object = to_jsonable_python(value, bytes_mode="base64")
    except (PydanticSerializationError, ValueError, RecursionError) as error:
        raise _misfit(path, f"has no form in JSON: {error}") from None
    return plain


def _misfit(path: str, message: str) -> ArgumentError:
    return ArgumentError([Misfit(path, message)])
