"""Names of cases, messages and signals: which are allowed, and how one is made up."""

from __future__ import annotations

import secrets
from typing import Final

from knhk.errors import UsageError

__all__ = [
    "NAME_MAX",
    "check_case_id",
    "check_event_name",
    "check_message_id",
    "check_tenant",
    "check_worker",
    "fresh_case_id",
    "fresh_message_id",
]

#: The longest name of a case, of a tenant, of a worker, and of a message or signal.
NAME_MAX: Final = 255


def fresh_case_id(workflow: str, now_us: int) -> str:
    """A name for a case that nobody has named; no other case has it.

    Names that are made one after another stand beside one another in every index, so that the
    rows of cases that run at the same time lie in few pages: a commit in SQLite then costs less
    than half of what it costs with random names.
    """
    return f"{workflow}-{now_us:013x}{secrets.token_hex(6)}"


def fresh_message_id(now_us: int) -> str:
    """An id for a message that nobody has named; no other message has it."""
    return f"{now_us:013x}{secrets.token_hex(6)}"


def check_case_id(case_id: str) -> None:
    """Raises :class:`UsageError` for what is no name of a case."""
    if not _is_name(case_id):
        raise UsageError(f"a case id is 1 to {NAME_MAX} printable characters, not {case_id[:40]!r}")


def check_tenant(tenant: str) -> None:
    """Raises :class:`UsageError` for what is no name of a tenant."""
    if not isinstance(tenant, str):
        raise UsageError(f"a tenant is named by a text, not {tenant!r:.60}")
    if not _is_name(tenant):
        raise UsageError(
            f"a tenant is named by 1 to {NAME_MAX} printable characters, not {tenant[:40]!r}"
        )


def check_event_name(kind: str, name: str) -> None:
    """Raises :class:`UsageError` for what is no name of a message or signal."""
    if not _is_name(name):
        raise UsageError(
            f"the name of a {kind} is 1 to {NAME_MAX} printable characters, not {name[:40]!r}"
        )


def check_worker(worker: str) -> None:
    """Raises :class:`UsageError` for what is neither empty nor the name of a worker."""
    if not isinstance(worker, str) or (worker and not _is_name(worker)):
        raise UsageError(
            f"a worker is named by up to {NAME_MAX} printable characters, not {worker!r:.60}"
        )


def check_message_id(message_id: str) -> None:
    """Raises :class:`UsageError` for what is no id of a message."""
    if not isinstance(message_id, str) or not _is_name(message_id):
        raise UsageError(
            f"the id of a message is 1 to {NAME_MAX} printable characters, not {message_id!r:.60}"
        )


def _is_name(text: str) -> bool:
    return 0 < len(text) <= NAME_MAX and text.isprintable()
