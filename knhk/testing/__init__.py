"""For those who test workflows, handlers and journals: a clock to turn, a suite to pass."""

from knhk.testing.clock import VirtualClock
from knhk.testing.journals import JournalSuite, SharingSuite

__all__ = ["JournalSuite", "SharingSuite", "VirtualClock"]
