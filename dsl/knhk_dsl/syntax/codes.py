"""The codes of the diagnostics that reading a source can give, and what each one is about."""

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

#: Code to title, for the reference and for `knhk check`.
CODES: Final[dict[str, str]] = {
    UNEXPECTED: "something else was expected here",
    NOT_UTF8: "the file is not UTF-8",
    BAD_CHARACTER: "a character that cannot stand in a source",
    EMPTY_FILE: "the file is empty",
    TOO_LARGE: "the file is too large",
    TAB: "a tab in the indentation",
    INDENTATION: "the indentation does not fit",
    OPEN_TEXT: "a text is never closed",
    OPEN_BRACKET: "a bracket is never closed",
    TOO_DEEP: "nested too deep",
    UNKNOWN_WORD: "an unknown declaration, statement or attribute",
    RESERVED_WORD: "a reserved word used as a name",
    BAD_NUMBER: "a number that cannot be read",
    BAD_TEXT: "a text that cannot be read",
    MISFORMED: "a construct that is incomplete or says something twice",
    TOO_MANY: "too many problems to report them all",
}
