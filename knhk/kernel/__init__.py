"""The token game: sans-IO, deterministic, compiled by mypyc.

``Program(net)`` turns a net into tables; ``Case(program, id)`` plays the game on them.
"""

from knhk.kernel.case import Case
from knhk.kernel.item import WorkItem
from knhk.kernel.program import Program
from knhk.kernel.state import Failure

__all__ = ["Case", "Failure", "Program", "WorkItem"]
