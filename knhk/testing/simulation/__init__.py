"""Deterministic simulation: the real engine in a world that one seed decides on.

The engine, its writer, workers, timers and journal are the ones that run in earnest; so are the
workflows and, if they are wanted, the handlers. Simulated is what is around them: time, the order
of tasks and threads, the disk, the way to clients, crashes. What was promised is looked after
at every step, and a seed that breaks a promise breaks it each time.
"""

from knhk.testing.simulation.around import Answer, CalleeFault
from knhk.testing.simulation.client import Client
from knhk.testing.simulation.faults import Faults
from knhk.testing.simulation.invariants import INVARIANTS
from knhk.testing.simulation.plan import Scenario
from knhk.testing.simulation.report import Report, SimulationFailed
from knhk.testing.simulation.simulation import seeds, simulate
from knhk.testing.simulation.store import StoreKind

__all__ = [
    "INVARIANTS",
    "Answer",
    "CalleeFault",
    "Client",
    "Faults",
    "Report",
    "Scenario",
    "SimulationFailed",
    "StoreKind",
    "seeds",
    "simulate",
]
