"""Runs workflows durably: what is written happens once, what is done is done at least once.

:class:`Engine` is the whole of it; see :mod:`knhk.engine.live` for how a step is made.
"""

from knhk.call import Call, current_call
from knhk.engine.claims import Claim
from knhk.engine.clock import Clock, SystemClock
from knhk.engine.concurrency import Concurrency
from knhk.engine.engine import Engine
from knhk.engine.events import Event, Observer
from knhk.engine.handle import CaseHandle
from knhk.engine.limits import Limits
from knhk.engine.messages import KeptMessage
from knhk.engine.report import (
    CaseReport,
    EventWait,
    ItemReport,
    Step,
    SubCase,
    Waits,
    WorkOffer,
)
from knhk.engine.slots import LimitUse
from knhk.engine.stalling import Stall
from knhk.engine.verifying import Fault

__all__ = [
    "Call",
    "CaseHandle",
    "CaseReport",
    "Claim",
    "Clock",
    "Concurrency",
    "Engine",
    "Event",
    "EventWait",
    "Fault",
    "ItemReport",
    "KeptMessage",
    "LimitUse",
    "Limits",
    "Observer",
    "Stall",
    "Step",
    "SubCase",
    "SystemClock",
    "Waits",
    "WorkOffer",
    "current_call",
]
