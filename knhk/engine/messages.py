"""Messages to no case in particular, and signals to all that wait: from values to what is sent."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final, final

from knhk.engine.cases import Receipt
from knhk.engine.facts import decode_object, encode_json
from knhk.engine.live import LiveCase
from knhk.engine.naming import check_event_name, check_message_id, fresh_message_id
from knhk.engine.post import TTL_MAX_S
from knhk.engine.runtime import Runtime
from knhk.engine.subscriptions import key_text
from knhk.errors import KnhkError, LimitExceeded, UsageError
from knhk.journal import Journal, Letter
from knhk.model import SIGNAL, US_PER_S, Input

__all__ = ["Broadcast", "KeptMessage", "letter_of"]

#: Cases that are asked for together when a signal goes to all that wait.
PAGE: Final = 200


@final
@dataclass(frozen=True, slots=True)
class KeptMessage:
    """A published message that no case has taken yet; it is kept until ``expires_us``."""

    id: str
    name: str
    key: object
    payload: object
    sent_us: int
    expires_us: int

    @classmethod
    def of(cls, letter: Letter) -> KeptMessage:
        """The message that a letter of a journal is."""
        value = decode_object(letter.payload)
        return cls(
            letter.id,
            letter.name,
            value.get("key"),
            value.get("payload"),
            letter.sent_us,
            letter.expires_us,
        )

    @property
    def letter(self) -> Letter:
        """What stands for it where a page of letters goes on behind it."""
        return Letter(self.id, self.name, "", b"", self.sent_us, self.expires_us)


def letter_of(
    name: str,
    value: Mapping[str, object],
    *,
    message_id: str | None,
    ttl_s: float,
    now_us: int,
    bytes_max: int,
) -> Letter:
    """A message as a letter; ``value`` has its key and its payload, as plain JSON values.

    Raises :class:`UsageError` for a name, an id or a time to live that cannot be one, and
    :class:`LimitExceeded` for a message that is too long.
    """
    check_event_name("message", name)
    if message_id is None:
        message_id = fresh_message_id(now_us)
    check_message_id(message_id)
    if not 0 < ttl_s <= TTL_MAX_S:
        raise UsageError(
            f"ttl_s is for how many seconds a message is kept, up to ten years, not {ttl_s}"
        )
    body = encode_json(value)
    if len(body) > bytes_max:
        raise LimitExceeded(
            f"the message {name!r} has {len(body):,} bytes as JSON",
            "message_bytes_max",
            bytes_max,
            "keep its payload elsewhere, and publish the name of it",
        )
    expires_us = now_us + max(1, round(ttl_s * US_PER_S))
    return Letter(message_id, name, key_text(value["key"]), body, now_us, expires_us)


@final
class Broadcast:
    """A signal on its way to all cases that wait for it, of one workflow or tenant or of any."""

    def __init__(
        self,
        runtime: Runtime,
        journal: Journal,
        ask: Callable[..., Awaitable[Sequence[str]]],
        signal: Callable[[str, str, object], Awaitable[int]],
        *,
        workflow: str,
        tenant: str,
    ) -> None:
        self._runtime = runtime
        self._journal = journal
        self._ask = ask
        self._signal = signal
        self._workflow = workflow
        self._tenant = tenant

    async def send(self, name: str, payload: object) -> int:
        """Send it to those that wait now; how many items it has started or interrupted."""
        taken = 0
        after = ""
        while True:
            page = await self._ask(self._waiting, name, after)
            receipts: list[Receipt] = []
            for case_id in page:
                taken += await self._give(case_id, name, payload, receipts)
            for receipt in receipts:
                await receipt.written()
            if len(page) < PAGE:
                return taken
            after = page[-1]

    def _waiting(self, name: str, after: str) -> tuple[str, ...]:
        return self._journal.waiting(SIGNAL, name, after=after, limit=PAGE)

    async def _give(self, case_id: str, name: str, payload: object, receipts: list[Receipt]) -> int:
        """Give it to one case, if that still waits; how many items took it up."""
        await self._runtime.writer.admission()
        live = self._runtime.live.get(case_id)
        if live is None:
            if not await self._is_meant_in_journal(case_id):
                return 0
            await self._runtime.wake((case_id,))
            live = self._runtime.live.get(case_id)
            if live is None and self._runtime.shards.is_shared:
                return await self._signal(case_id, name, payload)  # wherever it runs
        if live is None or not self._is_meant(live) or not live.hears_signal(name):
            return 0
        receipt = Receipt(self._runtime.writer.patience)
        try:
            now_us = max(self._runtime.clock.now_us(), live.case.now_us)
            taken = live.give(Input(SIGNAL, now_us, task=name, value=payload), written=receipt)
        except KnhkError:
            return 0  # it has as many inputs as it may, or was let go of this moment
        receipts.append(receipt)
        return taken

    async def _is_meant_in_journal(self, case_id: str) -> bool:
        if not (self._workflow or self._tenant):
            return True
        return bool(await self._ask(self._meant, case_id))

    def _meant(self, case_id: str) -> tuple[str, ...]:
        row = self._journal.case(case_id)
        is_meant = row is not None and self._fits(row.workflow, row.tenant)
        return (case_id,) if is_meant else ()

    def _is_meant(self, live: LiveCase) -> bool:
        return self._fits(live.version.name, live.standing.row.tenant)

    def _fits(self, workflow: str, tenant: str) -> bool:
        return self._workflow in ("", workflow) and self._tenant in ("", tenant)
