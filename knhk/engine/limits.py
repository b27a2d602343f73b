"""How much an engine takes at most, in one place and with names."""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import Final, final

from knhk.errors import UsageError
from knhk.kernel.game import KEPT_MAX

__all__ = ["USUAL", "Limits"]

MIB: Final = 1024 * 1024


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """Limits of an engine, for ``Engine.open(..., limits=Limits(...))``.

    What would go over one that ends in ``_bytes_max`` or begins with ``case_`` is refused before
    anything is written, with an error that names the limit. Where a queue is full, whoever brings
    new work waits.

    ``inline_bytes_max``
        a value that is longer as JSON stands in the store once, by its content's hash, and rows
        refer to it (64 KiB)
    ``value_bytes_max``
        the longest JSON of what one input brings: all parameters of a case, a result, a message
        (64 MiB)
    ``case_inputs_max``
        how many inputs a case may have; one that has as many is let go of, and goes on in an
        engine with a larger limit (``None``: as many as it takes)
    ``case_messages_max``
        how many messages a case keeps that it has not taken yet (10,000, which is the most)
    ``message_bytes_max``
        the longest JSON of a message that is published (256 KiB)
    ``kept_messages_max``
        how many published messages a store keeps that no case has taken (100,000)
    ``snapshot_inputs``
        a snapshot is taken after so many inputs, and after more where it is large (200)
    ``queue_commits_max``, ``queue_bytes_max``
        how many commits may wait for the journal, and how much of what stands by hash (4,096;
        256 MiB)
    ``batch_commits_max``
        how many commits share one transaction (1,024)
    ``waiting_work_max``
        how many pieces of the engine's own work may wait for something at once (1,000)
    ``sleepers_max``
        how many of the times at which parked cases want to be woken are in memory (4,000)
    """

    inline_bytes_max: int = 64 * 1024
    value_bytes_max: int = 64 * MIB
    case_inputs_max: int | None = None
    case_messages_max: int = KEPT_MAX
    message_bytes_max: int = 256 * 1024
    kept_messages_max: int = 100_000
    snapshot_inputs: int = 200
    queue_commits_max: int = 4_096
    queue_bytes_max: int = 256 * MIB
    batch_commits_max: int = 1_024
    waiting_work_max: int = 1_000
    sleepers_max: int = 4_000

    def __post_init__(self) -> None:
        for field in fields(self):
            value = getattr(self, field.name)
            if value is None and field.name == "case_inputs_max":
                continue
            if not isinstance(value, int) or isinstance(value, bool) or value < 1:
                raise UsageError(f"Limits.{field.name} is a number from 1, not {value!r}")
        if self.case_messages_max > KEPT_MAX:
            raise UsageError(
                f"Limits.case_messages_max is {KEPT_MAX} at most, not {self.case_messages_max}"
            )


#: What an engine has that is told nothing else.
USUAL: Final = Limits()
