"""Addresses are shown in messages; what is secret in them is not."""

from __future__ import annotations

import re
from typing import Final

__all__ = ["without_password"]

#: Up to the last ``@``: who forgot to quote a password has one with any character.
_PASSWORD: Final = re.compile(r"(://[^:/@?#]*):.*@", re.DOTALL)
_PASSWORD_OPTION: Final = re.compile(r"([?&](?:ssl)?password=)[^&]*", re.DOTALL)


def without_password(address: str) -> str:
    """An address as it may be shown: passwords are stars."""
    return _PASSWORD_OPTION.sub(r"\1***", _PASSWORD.sub(r"\1:***@", address))
