"""The garbage collector rests while many cases are loaded.

What is loaded is no garbage, and each collection looks at all of it: of the time that it takes to
resume ten thousand cases, half went into that.
"""

from __future__ import annotations

import gc
from collections.abc import Iterator
from contextlib import contextmanager

__all__ = ["collector_at_rest"]

_resting = 0


@contextmanager
def collector_at_rest() -> Iterator[None]:
    """Have nothing collected during the block, and others like it, if it was before."""
    global _resting  # noqa: PLW0603  there is one collector, whatever the number of engines
    if _resting == 0 and not gc.isenabled():
        yield
        return
    gc.disable()
    _resting += 1
    try:
        yield
    finally:
        _resting -= 1
        if _resting == 0:
            gc.enable()
