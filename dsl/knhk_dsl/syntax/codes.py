"""Names for the codes of the diagnostics that reading a source can give."""

from __future__ import annotations

from typing import Final

UNEXPECTED: Final = "KN101"
NOT_UTF8: Final = "KN102"
BAD_CHARACTER: Final = "KN103"
EMPTY_FILE: Final = "KN104"
TOO_LARGE: Final = "KN105"
TAB: Final = "KN106"
INDENTATION: Final = "KN107"
OPEN_TEXT: Final = "KN108"
OPEN_BRACKET: Final = "KN109"
TOO_DEEP: Final = "KN110"
UNKNOWN_WORD: Final = "KN111"
RESERVED_WORD: Final = "KN112"
BAD_NUMBER: Final = "KN113"
BAD_TEXT: Final = "KN114"
MISFORMED: Final = "KN115"
TOO_MANY: Final = "KN199"
