"""How large the benchmarks are: as promised, or a share of that for trying them out."""

from __future__ import annotations

import os

__all__ = ["SHARE", "sized"]

#: Of the sizes that the bars are for; with less than 1 the figures are no results.
SHARE = float(os.environ.get("KNHK_BENCH_SHARE", "1"))


def sized(full: int, least: int = 1) -> int:
    """A number of cases or the like, of which ``full`` is what was promised."""
    return max(least, round(full * SHARE))
