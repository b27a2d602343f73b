"""The 43 control-flow patterns by number and name, and the pairs that are easily confused.

From Russell, ter Hofstede, van der Aalst, Mulyar, *Workflow Control-Flow Patterns: A Revised
View*, BPM-06-22 (2006). On workflowpatterns.com 37 is called Local Synchronizing Merge.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

__all__ = ["PAIRS", "PATTERN_NAMES"]

PATTERN_NAMES: Final[Mapping[int, str]] = MappingProxyType(
    {
        1: "Sequence",
        2: "Parallel Split",
        3: "Synchronization",
        4: "Exclusive Choice",
        5: "Simple Merge",
        6: "Multi-Choice",
        7: "Structured Synchronizing Merge",
        8: "Multi-Merge",
        9: "Structured Discriminator",
        10: "Arbitrary Cycles",
        11: "Implicit Termination",
        12: "Multiple Instances without Synchronization",
        13: "Multiple Instances with a priori Design-Time Knowledge",
        14: "Multiple Instances with a priori Run-Time Knowledge",
        15: "Multiple Instances without a priori Run-Time Knowledge",
        16: "Deferred Choice",
        17: "Interleaved Parallel Routing",
        18: "Milestone",
        19: "Cancel Task",
        20: "Cancel Case",
        21: "Structured Loop",
        22: "Recursion",
        23: "Transient Trigger",
        24: "Persistent Trigger",
        25: "Cancel Region",
        26: "Cancel Multiple Instance Activity",
        27: "Complete Multiple Instance Activity",
        28: "Blocking Discriminator",
        29: "Cancelling Discriminator",
        30: "Structured Partial Join",
        31: "Blocking Partial Join",
        32: "Cancelling Partial Join",
        33: "Generalised AND-Join",
        34: "Static Partial Join for Multiple Instances",
        35: "Cancelling Partial Join for Multiple Instances",
        36: "Dynamic Partial Join for Multiple Instances",
        37: "Local Synchronizing Merge",
        38: "General Synchronizing Merge",
        39: "Critical Section",
        40: "Interleaved Routing",
        41: "Thread Merge",
        42: "Thread Split",
        43: "Explicit Termination",
    }
)

#: Patterns that a suite must tell apart, each two of a group by at least one run.
PAIRS: Final[tuple[tuple[int, ...], ...]] = (
    (3, 33),
    (5, 8),
    (7, 37, 38),
    (9, 28, 29),
    (30, 31, 32),
    (34, 35, 36),
    (26, 27),
    (19, 25),
    (20, 43),
    (11, 43),
    (4, 16),
    (17, 39, 40),
    (23, 24),
    (12, 42),
)
