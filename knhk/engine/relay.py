"""What is asked here of a case that another process runs, and is done there.

Theory of operation. A method of the engine that is *relayed* is tried here first. Where another
process holds the shard of its case, it becomes a command in the store: its name and arguments as
JSON. Whoever holds the shard carries it out like a call of its own, and notes in the commit that
its facts make that it has been carried out, so that a successor does not do it again. The answer,
a value or an error, goes back by the store too.

A command that nobody has carried out within the patience of whoever asked is not begun any more.
"""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable, Collection, Mapping, Sequence
from contextvars import ContextVar
from functools import lru_cache, partial, wraps
from typing import Any, Final, Protocol, TypeVar, cast, final, get_type_hints
from uuid import uuid4

import anyio
from anyio.abc import TaskGroup
from pydantic import TypeAdapter

import knhk.errors
from knhk.engine.company import Company
from knhk.engine.facts import decode_object, encode_json
from knhk.engine.plain import JSON
from knhk.errors import (
    AnswerLost,
    InputError,
    KnhkError,
    LimitExceeded,
    Misfit,
    MisfitError,
    ShardLost,
    StoreAway,
    StoreUnavailable,
    UsageError,
)
from knhk.journal import Command, Membership
from knhk.surroundings import call_in_thread

__all__ = ["Relay", "carried", "relayed"]

#: How often it is looked whether a case that is waited for can be had here after all.
LOOK_S: Final = 1.0
#: How often it is tried to have a case here before another process is asked.
_TRIES_MAX: Final = 3
#: Commands of others that are carried out at once.
COMMANDS_MAX: Final = 100

#: The command that is being carried out, and the task that does so; others begin in its context.
_COMMAND: Final[ContextVar[tuple[str, int] | None]] = ContextVar("knhk_command", default=None)
#: The methods that may be asked for, by name.
_RELAYED: Final[dict[str, Callable[..., Awaitable[object]]]] = {}

_log = logging.getLogger(__name__)

F = TypeVar("F", bound=Callable[..., Awaitable[Any]])
T = TypeVar("T")


class Relaying(Protocol):
    """An engine that may have others run its cases."""

    @property
    def relay(self) -> Relay | None:
        """What it asks them by."""


def relayed(method: F) -> F:
    """Have a method, whose first argument is a case, called where that case runs.

    Its arguments are plain JSON values, or become such. Its result may be anything that pydantic
    makes of such values again by the method's annotation.
    """
    name = method.__name__
    _RELAYED[name] = method

    @wraps(method)
    async def asked(self: Relaying, *args: object, **kwargs: object) -> object:
        try:
            return await method(self, *args, **kwargs)
        except ShardLost as lost:
            relay = self.relay
            if relay is None or carried():
                raise
            shard = lost.shard
        here = partial(method, self, *args, **kwargs)
        return await relay.ask(name, shard, here, args, kwargs)

    return cast("F", asked)


def carried() -> tuple[str, ...]:
    """What a commit that is made now carries out."""
    command = _COMMAND.get()
    is_so = command is not None and command[1] == anyio.get_current_task().id
    return (command[0],) if command is not None and is_so else ()


@final
class Relay:
    """Asks others, and answers them for ``engine``; commands have at most ``bytes_max``."""

    def __init__(
        self,
        engine: Relaying,
        company: Company,
        membership: Membership,
        *,
        patience_s: float,
        bytes_max: int,
    ) -> None:
        self._engine = engine
        self._company = company
        self._membership = membership
        self._patience_s = patience_s
        self._bytes_max = bytes_max
        self._group: TaskGroup | None = None
        #: Commands that were asked here and have no answer yet.
        self._waiting: dict[str, _Waiting] = {}
        #: Commands that are being carried out here.
        self._under_way: set[str] = set()
        #: Commands of which it is not known whether they are carried out: they wait for the store.
        self._doubtful: set[str] = set()

    def run(self, group: TaskGroup) -> None:
        """Begin to carry out what others ask."""
        self._group = group

    # Asking

    async def ask(
        self,
        name: str,
        shard: int,
        here: Callable[[], Awaitable[object]],
        args: Sequence[object],
        kwargs: Mapping[str, object],
    ) -> object:
        """Have a method called by whoever holds a shard, be it this process in the end.

        Raises what it raises there, and :class:`~knhk.errors.StoreAway` where nobody has answered.
        """
        for _ in range(_TRIES_MAX):
            if not await self._company.take(shard):
                break
            try:
                return await here()
            except ShardLost as lost:
                shard = lost.shard
        told = {"name": name, "args": list(args), "kwargs": dict(kwargs)}
        try:
            body = encode_json(JSON.accept(told))
        except MisfitError as error:
            raise InputError(f"{name} of a case that another process runs", error.misfits) from None
        if len(body) > self._bytes_max:
            raise LimitExceeded(
                f"{name} has {len(body):,} bytes as JSON",
                "value_bytes_max",
                self._bytes_max,
                "keep the value elsewhere, and give the case its name",
            )
        command = Command(uuid4().hex, shard, body)
        waiting = self._waiting[command.id] = _Waiting()
        try:
            asking = partial(self._membership.ask, command, self._patience_s)
            await self._company.patiently(asking)
            answer = await self._answer(waiting, shard)
        finally:
            del self._waiting[command.id]
        return _read_answer(name, answer)

    async def _answer(self, waiting: _Waiting, shard: int) -> bytes:
        deadline = anyio.current_time() + self._patience_s + LOOK_S
        while anyio.current_time() < deadline:
            with anyio.move_on_after(LOOK_S):
                await waiting.event.wait()
                return waiting.answer
            self._company.poke()
            await self._company.take(shard)  # if whoever had it is gone; then it is done here
        raise StoreUnavailable(
            f"the process that holds shard {shard} has not answered for {self._patience_s:g} s;"
            " what was asked may have been done: look at the case"
        )

    # Answering

    async def look(self) -> None:
        """See what others want, and what they have answered."""
        if self._waiting:
            answers = await self._call(partial(self._membership.answers, list(self._waiting)))
            for known, answer in answers.items():
                if known in self._waiting:
                    self._waiting[known].tell(answer)
        commands = await self._call(self._membership.asked)
        self._doubtful &= {each.id for each in commands if not each.is_carried}
        for command in commands:
            if self._group is None or len(self._under_way) >= COMMANDS_MAX:
                return  # it is looked again when one of them is done
            if command.id not in self._under_way | self._doubtful:
                self._under_way.add(command.id)
                self._group.start_soon(self._carry_out, command, name="knhk command")

    async def _carry_out(self, command: Command) -> None:
        try:
            answer = await self._outcome(command)
            if answer:
                await self._call(partial(self._membership.answer, command.id, answer))
        except StoreAway as error:
            _log.info("a command is left for later: %s", error)
            await anyio.sleep(LOOK_S)
        finally:
            self._under_way.discard(command.id)
            self._company.poke()

    async def _outcome(self, command: Command) -> bytes:
        """What the answer is; none where the case runs elsewhere by now."""
        if command.is_carried:
            return encode_json({"carried": True})
        told = decode_object(command.body)
        method = _RELAYED.get(str(told.get("name")))
        args, kwargs = told.get("args"), told.get("kwargs")
        if method is None or not isinstance(args, list) or not isinstance(kwargs, dict):
            problem = f"the process that runs the case knows no {told.get('name')!r}; update it"
            return _error(UsageError(problem))
        _COMMAND.set((command.id, anyio.get_current_task().id))
        try:
            value = await method(self._engine, *args, **kwargs)
            return encode_json({"value": JSON.accept(value)})
        except ShardLost:
            return b""
        except StoreAway:
            self._doubtful.add(command.id)
            return b""
        except KnhkError as error:
            return _error(error)
        except Exception as error:  # noqa: BLE001  whatever it was asked with
            _log.exception("a command of another process failed")
            return _error(KnhkError(f"{type(error).__name__}: {error}"))

    async def _call(self, call: Callable[[], T]) -> T:
        return await call_in_thread(call, may_leave=True)


@final
class _Waiting:
    """Somebody who waits for an answer."""

    def __init__(self) -> None:
        self.event = anyio.Event()
        self.answer = b""

    def tell(self, answer: bytes) -> None:
        self.answer = answer
        self.event.set()


# Results and errors as JSON


@lru_cache
def _result_type(name: str) -> TypeAdapter[Any]:
    """What makes of plain values again what a method gives."""
    return TypeAdapter(get_type_hints(_RELAYED[name])["return"])


def _error(error: KnhkError) -> bytes:
    known = getattr(knhk.errors, type(error).__name__, None) is type(error)
    fields: dict[str, object] = {}
    for name, value in vars(error).items() if known else ():
        if isinstance(value, (str, int, float, bool)) or value is None:
            fields[name] = value
        elif isinstance(value, Collection):
            fields[name] = [_part(each) for each in value]
    kind = type(error).__name__ if known else "KnhkError"
    return encode_json({"error": kind, "message": str(error), "fields": fields})


def _part(value: object) -> object:
    if isinstance(value, Misfit):
        return {"path": value.path, "message": value.message}
    return str(value)


def _read_answer(name: str, body: bytes) -> Any:  # noqa: ANN401  what the method gives
    told = decode_object(body)
    if "value" in told:
        return _result_type(name).validate_python(told["value"])
    if "error" in told:
        raise _error_of(told)
    if get_type_hints(_RELAYED[name])["return"] is type(None):
        return None
    raise AnswerLost(name)


def _error_of(told: Mapping[str, Any]) -> KnhkError:
    kind = getattr(knhk.errors, str(told["error"]), KnhkError)
    error: KnhkError = kind.__new__(kind)
    Exception.__init__(error, str(told.get("message", "")))
    for name, value in told.get("fields", {}).items():
        setattr(error, name, tuple(map(_unpart, value)) if isinstance(value, list) else value)
    return error


def _unpart(value: Any) -> object:  # noqa: ANN401  of JSON
    return Misfit(value["path"], value["message"]) if isinstance(value, dict) else value
