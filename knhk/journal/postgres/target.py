"""What the address of a store in PostgreSQL says: the server, the database and the schema."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final
from urllib.parse import unquote

import psycopg
from psycopg.conninfo import conninfo_to_dict

from knhk.errors import UsageError

__all__ = ["Target"]

#: The option of an address that names the schema; all others are libpq's.
_SCHEMA_OPTION: Final = "knhk_schema"
_SCHEMA_DEFAULT: Final = "knhk"
#: Names that PostgreSQL takes without quotes and does not keep for itself.
_SCHEMA: Final = re.compile(r"(?!pg_)[a-z_][a-z0-9_]{0,62}")

#: What an address does not say otherwise. A peer that has gone away silently is noticed within
#: half a minute, not after the two hours that systems wait by themselves.
_DEFAULTS: Final[Mapping[str, str]] = {
    "application_name": "knhk",
    "client_encoding": "utf8",
    "connect_timeout": "10",
    "keepalives_idle": "10",
    "keepalives_interval": "5",
    "keepalives_count": "3",
    "tcp_user_timeout": "30000",
}


@dataclass(frozen=True, slots=True)
class Target:
    """Where a store is; ``name`` is how messages call it, without passwords."""

    schema: str
    name: str
    settings: Mapping[str, str] = field(repr=False)

    @classmethod
    def of(cls, address: str, name: str) -> Target:
        """Raises :class:`knhk.errors.UsageError` for an address that libpq does not take."""
        place, mark, query = address.partition("?")
        options = query.split("&") if mark else []
        ours = [each for each in options if each.startswith(f"{_SCHEMA_OPTION}=")]
        schema = unquote(ours[-1].partition("=")[2]) if ours else _SCHEMA_DEFAULT
        if not _SCHEMA.fullmatch(schema):
            raise UsageError(
                f"{_SCHEMA_OPTION} is a name of small letters, digits and _, not {schema!r}"
            )
        others = "&".join(each for each in options if each not in ours)
        try:
            given = conninfo_to_dict(f"{place}?{others}" if others else place)
        except psycopg.Error:
            # libpq says what it does not understand, which may be a part of a password.
            raise UsageError(
                f"the address {name} is not one of PostgreSQL; write"
                " postgresql://USER:PASSWORD@HOST:PORT/DATABASE?OPTION=VALUE, and special"
                " characters in it as %XX"
            ) from None
        settings = {key: str(value) for key, value in given.items() if value is not None}
        return cls(schema, name, {**_DEFAULTS, **settings})
