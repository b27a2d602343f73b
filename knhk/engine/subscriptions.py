"""What a case waits for from outside, as the journal keeps it for whoever looks for the case.

Theory of operation. Each commit that changes what a case waits for holds all of it, as rows of
:class:`knhk.journal.Wait`; so the journal can tell at any time who waits for a message or a signal,
whether those cases are in memory, parked, or in another process. These rows only point to cases:
whether a case would take a message is always asked of the case itself.

Keys are compared by a text that is the same exactly for keys that are equal in the kernel: the JSON
of the key, in which 1.0 is written as 1, with sorted names. Of a long one it is a hash.
"""

from __future__ import annotations

import json
from functools import lru_cache
from typing import Final

from blake3 import blake3

from knhk.journal import Wait
from knhk.kernel import Case
from knhk.kernel.events import ANY_KEY, CROWDED, KEYED

__all__ = ["KEYS_MAX", "KEY_CHARS_MAX", "key_text", "waits_of"]

#: Keys that one task of a case waits for at the same time, beyond which it is kept that it waits
#: for some key.
KEYS_MAX: Final = 100
#: The longest key that is written as it is.
KEY_CHARS_MAX: Final = 200


def waits_of(case: Case) -> tuple[tuple[Wait, ...], bool]:
    """All that a case waits for, in order, and whether there are too many keys to tell them."""
    wishes = case.wishes(KEYS_MAX)
    if not wishes:
        return (), False
    if len(wishes) == 1 and wishes[0].keys == ANY_KEY:
        return _alone(wishes[0].kind, wishes[0].name), False
    found = {
        Wait(wish.kind, wish.name, key_text(wish.key) if wish.keys == KEYED else "")
        for wish in wishes
    }
    return tuple(sorted(found)), any(wish.keys == CROWDED for wish in wishes)


@lru_cache(maxsize=1_024)
def _alone(kind: int, name: str) -> tuple[Wait, ...]:
    """One wait with any key; many cases have the same, which then takes its memory once."""
    return (Wait(kind, name, ""),)


def key_text(key: object) -> str:
    """The text by which a key of plain JSON values is compared."""
    text = json.dumps(
        key if isinstance(key, bool) else _levelled(key),
        ensure_ascii=False,
        separators=(",", ":"),
        sort_keys=True,
    )
    return text if len(text) <= KEY_CHARS_MAX else f"#{blake3(text.encode()).hexdigest()}"


def _levelled(key: object) -> object:
    """A key in which equal numbers are the same; within lists and objects ``true`` equals 1."""
    if isinstance(key, (bool, float)) and key == int(key):
        return int(key)
    if isinstance(key, list):
        return [_levelled(each) for each in key]
    if isinstance(key, dict):
        return {name: _levelled(each) for name, each in key.items()}
    return key
