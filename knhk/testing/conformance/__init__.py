"""The 43 control-flow patterns as an executable suite.

``load_suite`` reads the files; ``play`` plays a run on a :class:`Player`, which is what an
engine offers to be held to the suite; ``conform`` plays all of it in KNHK's own three modes.
"""

from knhk.testing.conformance.files import SuiteError, load_suite
from knhk.testing.conformance.kernel import KernelPlayer
from knhk.testing.conformance.names import PAIRS, PATTERN_NAMES
from knhk.testing.conformance.player import Player, StepRefused
from knhk.testing.conformance.runner import Verdict, judge_pair, play
from knhk.testing.conformance.values import Pair, Pattern, Run, Step, Suite, SuiteNet
from knhk.testing.conformance.whole import (
    MODES,
    Played,
    Report,
    conform,
    play_all,
    suite_directory,
)

__all__ = [
    "MODES",
    "PAIRS",
    "PATTERN_NAMES",
    "KernelPlayer",
    "Pair",
    "Pattern",
    "Played",
    "Player",
    "Report",
    "Run",
    "Step",
    "StepRefused",
    "Suite",
    "SuiteError",
    "SuiteNet",
    "Verdict",
    "conform",
    "judge_pair",
    "load_suite",
    "play",
    "play_all",
    "suite_directory",
]
