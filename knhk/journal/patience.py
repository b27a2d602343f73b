"""How long callers wait for a store that takes nothing, and what they are told then.

Theory of operation. To give every caller a timeout of its own would cost as much as all else that
is done for it. So callers only leave word that they wait, and one task looks at them a few times in
the length of their patience, while anything is to be written at all. Who has waited that long while
the store did not take all that it was given is told.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final, final

import anyio

from knhk.errors import JournalError, StoreAway

__all__ = ["PATIENCE_S", "Patience", "Receipt", "one_more"]

#: How long callers wait for a store that is away before they are told, unless said otherwise.
PATIENCE_S: Final = 30.0
#: How often it is looked after callers in the length of their patience.
LOOKS: Final = 4


@final
class Receipt:
    """Waits for what was queued to be written: for ever, or as long as there is ``patience``."""

    __slots__ = ("_error", "_event", "_patience", "since")

    def __init__(self, patience: Patience | None = None) -> None:
        self._event = anyio.Event()
        self._error: JournalError | None = None
        self._patience = patience
        #: The look before which the caller has come.
        self.since = 0 if patience is None else patience.looks

    def __call__(self, error: JournalError | None) -> None:
        self._error = error
        self._event.set()

    async def written(self) -> None:
        """Return when it is written; raise what kept it from being.

        A :class:`~knhk.errors.StoreAway` says only that it is not written yet, and that it may
        still be.
        """
        patience = self._patience
        if patience is None or self._event.is_set():
            await self._event.wait()
        else:
            patience.callers.add(self)
            try:
                await self._event.wait()
            finally:
                patience.callers.discard(self)
        if self._error is not None:
            raise self._error


@final
class Patience:
    """Looks after callers; ``why`` tells what keeps the store from taking all, if anything does."""

    def __init__(self, patience_s: float, why: Callable[[], StoreAway | None]) -> None:
        self._patience_s: Final = patience_s
        self._why = why
        self._needed = anyio.Event()
        self._well = 0
        #: How often it was looked.
        self.looks = 0
        #: Those that wait.
        self.callers: Final[set[Receipt]] = set()

    def is_needed(self) -> None:
        """There is something to be written again."""
        self._well = self.looks
        self._needed.set()

    def is_well(self) -> None:
        """The store has taken all that it was given."""
        self._well = self.looks

    async def watch(self) -> None:
        """Look after callers until cancelled."""
        while True:
            if self._why() is None:
                self._needed = anyio.Event()
                await self._needed.wait()
            await anyio.sleep(self._patience_s / LOOKS)
            self.looks += 1
            why = self._why()
            if why is not None:
                self._tell(why)

    def _tell(self, why: StoreAway) -> None:
        for caller in list(self.callers):
            if self.looks - max(caller.since, self._well) > LOOKS:
                caller(one_more(why))

    async def waited(self, event: anyio.Event) -> None:
        """Wait for ``event``; raise what keeps the store away if that lasts too long."""
        while not event.is_set():
            well = self._well
            with anyio.move_on_after(self._patience_s):
                await event.wait()
                return
            why = self._why()
            if why is not None and well == self._well:
                raise one_more(why)


def one_more(error: StoreAway) -> StoreAway:
    """The same error for one more caller: each raises one of its own, with its own traceback."""
    again = type(error)(*error.args)
    again.__cause__ = error
    return again
