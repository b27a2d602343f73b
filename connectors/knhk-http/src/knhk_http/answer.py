"""From an answer to the values of a workflow, within bounds."""

from __future__ import annotations

from contextlib import aclosing
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Final

import httpx2
from pydantic_core import from_json

#: Bytes of a body, after decompression, that a workflow is given; more is an error.
BODY_BYTES_MAX: Final = 16 * 1024 * 1024
#: Bytes of the body of a refusal that are read at all.
ERROR_BODY_BYTES_MAX: Final = 16 * 1024
#: Characters of the body of a refusal that its error shows.
EXCERPT_CHARS_MAX: Final = 500

#: Headers that carry secrets, and so must not reach the journal with a result.
_SECRET_HEADERS: Final = frozenset({"set-cookie", "www-authenticate", "authentication-info"})


class UnusableBody(Exception):
    """A body that cannot be given to a workflow: why."""


async def read_body(response: httpx2.Response) -> bytes:
    """The whole body, decompressed; raises :class:`UnusableBody` where it is too large."""
    body = bytearray()
    async with aclosing(response.aiter_bytes()) as chunks:
        async for chunk in chunks:
            body += chunk
            if len(body) > BODY_BYTES_MAX:
                raise UnusableBody(f"the answer is larger than {BODY_BYTES_MAX} bytes")
    return bytes(body)


async def read_excerpt(response: httpx2.Response) -> str:
    """The beginning of the body of a refusal, on one line."""
    body = bytearray()
    async with aclosing(response.aiter_bytes()) as chunks:
        async for chunk in chunks:
            body += chunk
            if len(body) > ERROR_BODY_BYTES_MAX:
                break
    text = body[:ERROR_BODY_BYTES_MAX].decode(_charset(response), errors="replace")
    line = " ".join(text.split())
    return line if len(line) <= EXCERPT_CHARS_MAX else f"{line[:EXCERPT_CHARS_MAX]}..."


def value_of(response: httpx2.Response, body: bytes) -> object:
    """The body as a value: JSON where it says so, else text; ``None`` if it is empty.

    Raises :class:`UnusableBody` for what is neither.
    """
    if not body:
        return None
    kind = response.headers.get("Content-Type", "").partition(";")[0].strip().lower()
    if kind == "application/json" or kind.endswith("+json"):
        try:
            value: object = from_json(body, allow_inf_nan=False)
        except ValueError as error:
            raise UnusableBody(f"the answer says {kind} and is not JSON: {error}") from None
        return value
    try:
        return body.decode(_charset(response))
    except UnicodeDecodeError:
        said = f" ({kind})" if kind else ""
        raise UnusableBody(f"the answer is neither JSON nor text{said}") from None


def headers_of(response: httpx2.Response) -> dict[str, str]:
    """The headers by their names in small letters, without those that carry secrets."""
    return {
        name.lower(): value
        for name, value in response.headers.items()
        if name.lower() not in _SECRET_HEADERS
    }


def retry_after_s(response: httpx2.Response) -> float | None:
    """How long the service asks to wait (RFC 9110, section 10.2.3): seconds, or until a date."""
    said = response.headers.get("Retry-After", "").strip()
    if said.isdecimal() and len(said) < 10:
        return float(said)
    try:
        moment = parsedate_to_datetime(said)
    except ValueError:
        return None
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=UTC)
    return max(0.0, (moment - datetime.now(UTC)).total_seconds())


def _charset(response: httpx2.Response) -> str:
    try:
        charset = response.charset_encoding or "utf-8"
        b"".decode(charset)
    except LookupError:
        return "utf-8"
    return charset
