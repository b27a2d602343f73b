"""The journal tells at any time who waits for which message or signal."""

from __future__ import annotations

from pathlib import Path

import anyio
import pytest
from hypothesis import given
from hypothesis import strategies as st

from knhk import Engine
from knhk.engine.subscriptions import KEY_CHARS_MAX, KEYS_MAX, key_text
from knhk.journal import Journal, MemoryJournal, Wait
from knhk.kernel.events import _equal
from knhk.model import MESSAGE, SIGNAL
from knhk.testing import VirtualClock

pytestmark = pytest.mark.anyio

WORKFLOW = """
workflow w(ks: list[json])
    task before
    task paid = message payment(k)
        for each k in ks
    task go = signal go
    task ship
    flow
        start -> before -> paid -> go -> ship -> end
        ship -> end on message recall
"""


@pytest.fixture
def source(tmp_path: Path) -> Path:
    path = tmp_path / "w.knhk"
    path.write_text(WORKFLOW, encoding="utf-8")
    return path


def messages(journal: Journal, case: str = "c") -> set[str]:
    record = journal.record(case)
    assert record is not None
    assert {"payment"} >= {wait.name for wait in record.waits}
    return {wait.key for wait in record.waits}


async def test_what_a_case_waits_for_is_written_with_what_makes_it_wait(source: Path) -> None:
    journal = MemoryJournal()
    async with Engine.open(journal) as engine:
        await engine.deploy(source)
        await engine.start("w", case_id="c", ks=["a", 2.0, True])
        assert set() == messages(journal)

        await engine.complete("c", "before")
        assert {'"a"', "2", "true"} == messages(journal)
        assert ("c",) == journal.waiting(MESSAGE, "payment", key_text(2))
        assert () == journal.waiting(MESSAGE, "payment", key_text(1))

        await engine.suspend("c")
        assert set() == messages(journal)
        await engine.resume_case("c")
        await engine.send("c", "payment", key=2)
        assert {'"a"', "true"} == messages(journal)
        assert () == await engine.verify("c")

        await engine.send("c", "payment", key="a")
        await engine.send("c", "payment", key=True)
        assert ("c",) == journal.waiting(SIGNAL, "go")
        await engine.signal("c", "go")
        assert ("c",) == journal.waiting(MESSAGE, "recall")
        assert await engine.send("c", "recall")
        record = journal.record("c")
        assert record is not None
        assert () == record.waits


async def test_a_case_that_waits_for_many_keys_is_told_to_wait_for_some(source: Path) -> None:
    journal = MemoryJournal()
    async with Engine.open(journal) as engine:
        await engine.deploy(source)
        await engine.start("w", case_id="c", ks=list(range(KEYS_MAX + 1)))
        await engine.complete("c", "before")
        assert {""} == messages(journal)

        await engine.send("c", "payment", key=7)
        assert {str(key) for key in range(KEYS_MAX + 1)} - {"7"} == messages(journal)
        assert () == await engine.verify("c")


async def test_a_fork_waits_as_it_is_written(source: Path) -> None:
    journal = MemoryJournal()
    async with Engine.open(journal) as engine:
        await engine.deploy(source)
        await engine.start("w", case_id="c", ks=["a"])
        await engine.complete("c", "before")
        await engine.fork("c", at=2, new_id="d")

        assert ("c", "d") == journal.waiting(MESSAGE, "payment", '"a"')


async def test_waits_that_were_never_written_are_when_the_case_is_parked(source: Path) -> None:
    """So it is with cases of stores that were made before waits were written."""
    journal = MemoryJournal()
    journal.close = lambda: None  # type: ignore[method-assign]
    async with Engine.open(journal) as engine:
        await engine.deploy(source)
        await engine.start("w", case_id="c", ks=["a"])
        await engine.complete("c", "before")
    for wait in ("_waits", "_waiters"):
        getattr(journal, wait).clear()

    async with Engine.open(journal, park_after_s=0.01) as engine:
        with anyio.fail_after(10):
            while not messages(journal):  # noqa: ASYNC110  nothing tells when
                await anyio.sleep(0.01)
    assert {'"a"'} == messages(journal)


async def test_waits_that_do_not_fit_are_found(source: Path) -> None:
    journal = MemoryJournal()
    async with Engine.open(journal, clock=VirtualClock()) as engine:
        await engine.deploy(source)
        await engine.start("w", case_id="c", ks=["a"])
        await engine.complete("c", "before")
        journal._waits["c"] = (Wait(MESSAGE, "payment", '"b"'),)
        (fault,) = await engine.verify("c")

    why = 'c: the waits: they are payment("b"), and it waits for payment("a")'
    assert why == str(fault)


@given(
    st.recursive(
        st.none() | st.booleans() | st.sampled_from([0, 1, 1.0, 1.5, 2**70, "1", ""]),
        lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.sampled_from("ab"), inner),
        max_leaves=4,
    ),
    st.data(),
)
def test_keys_have_the_same_text_if_they_are_equal(key: object, data: st.DataObject) -> None:
    other = data.draw(st.sampled_from([key, 1, True, [1], [True], {"a": 1.0}, None, "1", 2.0**70]))
    assert (key_text(key) == key_text(other)) == _equal(key, other)


def test_a_long_key_has_a_short_text() -> None:
    long, other = "x" * 1_000, "x" * 999 + "y"
    assert key_text("x" * (KEY_CHARS_MAX - 2)).endswith('x"')
    assert len(key_text(long)) < KEY_CHARS_MAX
    assert key_text(long) != key_text(other)
