"""What a run is made from, beside its seed."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeAlias, final

from knhk.engine.version import Version
from knhk.journal import Durability, Journal
from knhk.module import Module
from knhk.testing.simulation.around import Answer
from knhk.testing.simulation.client import Client
from knhk.testing.simulation.faults import Chance, Faults
from knhk.testing.simulation.machine import Machine
from knhk.testing.simulation.store import MemoryStore, SQLiteStore, Store, StoreKind

if TYPE_CHECKING:
    from knhk_dsl.environment import Environment

__all__ = ["Plan", "Scenario"]

#: What clients do in a run.
Scenario: TypeAlias = Callable[[Client], Awaitable[None]]


@final
@dataclass(frozen=True, slots=True)
class Plan:
    """All that a run is made from, beside its seed."""

    module: Module
    environment: Environment
    versions: Mapping[str, Version]
    scenario: Scenario
    faults: Faults
    answers: Mapping[str, Answer]
    store: StoreKind
    durability: Durability
    engines: int
    park_s: float
    steps_max: int
    mutate: Callable[[Journal], Journal]

    def make_store(self, machine: Machine, chance: Chance, crash: Callable[[], None]) -> Store:
        """The store of a run."""
        if self.store == "memory":
            return MemoryStore()
        return SQLiteStore(machine, chance, self.durability, crash)
