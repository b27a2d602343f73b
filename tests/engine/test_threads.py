"""The threads of plain callables: how many at a time, and what is given up."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager

import anyio
import anyio.to_thread
import pytest

from knhk.call import Call
from knhk.engine import threads
from knhk.engine.failing import Failing
from knhk.engine.fairness import Ages
from knhk.engine.threads import ThreadPool, TooManyAbandoned

THREADS = 3


class Counting:
    """A callable that counts how many of its calls run at the same time."""

    def __init__(self) -> None:
        self.lock = threading.Lock()
        self.now = self.most = self.calls = 0

    def __call__(self) -> int:
        with self.lock:
            self.now += 1
            self.calls += 1
            self.most = max(self.most, self.now)
        threading.Event().wait(0.001)
        with self.lock:
            self.now -= 1
        return self.calls


def nobody(_change: int) -> None:
    pass


def unexpected(_call: Call, _value: object, _failure: Failing | None) -> None:
    raise AssertionError("no work of a case is here")


@contextmanager
def opened() -> Iterator[ThreadPool]:
    pool = ThreadPool(THREADS, nobody, unexpected, Ages())
    try:
        yield pool
    finally:
        pool.close()


async def give_up_a_call(pool: ThreadPool, let_go: threading.Event) -> None:
    """Begin a call that hangs until it is let go, and cancel it."""
    begun = threading.Event()

    def hang() -> None:
        begun.set()
        let_go.wait()

    async with anyio.create_task_group() as group:
        group.start_soon(pool.run, "hang", hang)
        await anyio.to_thread.run_sync(begun.wait)
        group.cancel_scope.cancel()


@pytest.mark.anyio
async def test_there_are_never_more_calls_than_threads() -> None:
    counting = Counting()
    with opened() as pool:
        async with anyio.create_task_group() as group:
            for _ in range(100):
                group.start_soon(pool.run, "count", counting)

    assert 100 == counting.calls
    assert THREADS == counting.most


@pytest.mark.anyio
async def test_calls_that_hang_leave_as_many_threads_as_before() -> None:
    let_go = threading.Event()
    counting = Counting()
    with opened() as pool:
        for _ in range(2 * THREADS):
            await give_up_a_call(pool, let_go)
        async with anyio.create_task_group() as group:
            for _ in range(50):
                group.start_soon(pool.run, "count", counting)
        assert THREADS == counting.most

        let_go.set()
        async with anyio.create_task_group() as group:
            for _ in range(50):
                group.start_soon(pool.run, "count", counting)

    assert 100 == counting.calls
    assert THREADS == counting.most


@pytest.mark.anyio
async def test_what_is_given_up_before_it_begins_is_not_called() -> None:
    let_go = threading.Event()
    counting = Counting()
    with opened() as pool:
        async with anyio.create_task_group() as group:
            for _ in range(THREADS):
                group.start_soon(pool.run, "hang", let_go.wait)
            await anyio.wait_all_tasks_blocked()
            with anyio.move_on_after(0.01):
                await pool.run("count", counting)
            let_go.set()
        await pool.run("nothing", nothing)

    assert 0 == counting.calls


@pytest.mark.anyio
async def test_too_many_that_hang_are_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(threads, "ABANDONED_MAX", 2)
    let_go = threading.Event()
    with opened() as pool:
        for _ in range(2):
            await give_up_a_call(pool, let_go)
        with pytest.raises(TooManyAbandoned, match="2 calls that were given up still run"):
            await pool.run("nothing", nothing)
        let_go.set()
        with anyio.fail_after(10):
            while True:
                try:
                    await pool.run("nothing", nothing)
                    break
                except TooManyAbandoned:
                    await anyio.sleep(0.001)


def nothing() -> None:
    pass
