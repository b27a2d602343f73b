"""Messages to whichever case waits are taken once, or kept; signals go to all that wait."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

import anyio
import pytest

from knhk import CaseStatus, Engine
from knhk.engine import Limits
from knhk.engine.post import PostOffice
from knhk.errors import (
    InputError,
    JournalConflict,
    LimitExceeded,
    StoreAway,
    StoreUnavailable,
    UsageError,
)
from knhk.journal import Commit, InputRow, Journal, Letter, MemoryJournal
from knhk.model import MESSAGE, SIGNAL
from knhk.testing import VirtualClock

pytestmark = pytest.mark.anyio

DAY_S = 86_400
WORKFLOW = """
workflow order(id: str) -> json
    task before
    task paid = message payment(id)
    flow
        start -> before -> paid -> end
    return paid

workflow worker() -> json
    task got = message job
    task stopped = signal stop_all
    flow
        start -> pick(got, stopped) -> end
    return got

workflow parent(id: str) -> json
    task part = order(id)
    flow
        start -> part -> end
    return part

workflow many(ids: list[str]) -> json
    task paid = message payment(id)
        for each id in ids
    flow
        start -> paid -> end
    return paid

workflow draft() -> str
    task write
    flow
        start -> write -> end
        write -> end on message recall
        write -> end on signal recall
    return "ended"
"""


@pytest.fixture
def source(tmp_path: Path) -> Path:
    path = tmp_path / "w.knhk"
    path.write_text(WORKFLOW, encoding="utf-8")
    return path


@pytest.fixture(params=["memory", "sqlite", "postgres"])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str | Journal]:
    """A store that may be opened again and again."""
    if request.param == "memory":
        yield Lasting()
    elif request.param == "sqlite":
        yield str(tmp_path / "store.db")
    else:
        yield request.getfixturevalue("postgres")


class Lasting(MemoryJournal):
    """A journal that is still there when it is closed."""

    def messages(self, case: str) -> list[bytes]:
        return [row.body for row in self.inputs(case) if row.kind == MESSAGE]


async def waiting_order(engine: Engine, id: str, **more: object) -> None:
    await engine.start("order", case_id=id, id=id)
    await engine.complete(id, "before")


async def until_parked(engine: Engine) -> None:
    assert engine._running is not None
    with anyio.fail_after(10):
        while engine._running.live:  # noqa: ASYNC110  they leave without a word
            await anyio.sleep(0.01)


# Whom it reaches


async def test_a_message_goes_to_the_one_case_that_waits_with_its_key(
    source: Path, store: str | Journal
) -> None:
    async with Engine.open(store) as engine:
        await engine.deploy(source)
        for id in ("A1", "A2"):
            await waiting_order(engine, id)

        assert "A2" == await engine.publish("payment", {"amount": 5}, key="A2")

        assert {"amount": 5} == await (await engine.case("A2")).result()
        assert CaseStatus.running is (await engine.case("A1")).status
        assert () == await engine.messages()
        assert [()] * 2 == [await engine.verify(id) for id in ("A1", "A2")]


async def test_a_message_that_nobody_waits_for_is_kept_until_somebody_does(
    source: Path, store: str | Journal
) -> None:
    async with Engine.open(store) as engine:
        await engine.deploy(source)
        await engine.start("order", case_id="A1", id="A1")
        assert await engine.publish("payment", 5, key="A1", id="p1") is None
        assert await engine.publish("payment", 6, key="A2", id="p2") is None
        assert ["p1", "p2"] == [each.id for each in await engine.messages("payment")]

        await engine.complete("A1", "before")

        assert 5 == await (await engine.case("A1")).result()
        assert ["p2"] == [each.id for each in await engine.messages()]


async def test_a_parked_case_is_reached(source: Path, store: str | Journal) -> None:
    async with Engine.open(store, park_after_s=0.02) as engine:
        await engine.deploy(source)
        await waiting_order(engine, "A1")
        await until_parked(engine)

        assert "A1" == await engine.publish("payment", 5, key="A1")

        assert 5 == await (await engine.case("A1")).result()


async def test_a_sub_case_is_reached(source: Path) -> None:
    async with Engine.open(park_after_s=0.02) as engine:
        await engine.deploy(source)
        await engine.start("parent", case_id="p", id="A1")
        with anyio.fail_after(10):
            while not (children := await engine.cases(parent="p")):  # noqa: ASYNC110
                await anyio.sleep(0.01)
        await engine.complete(children[0].id, "before")
        assert engine._running is not None
        with anyio.fail_after(10):
            while children[0].id in engine._running.live:  # noqa: ASYNC110
                await anyio.sleep(0.01)

        assert children[0].id == await engine.publish("payment", 5, key="A1")

        assert 5 == await (await engine.case("p")).result()


async def test_each_of_many_messages_goes_to_another_case(
    source: Path, store: str | Journal
) -> None:
    cases = [f"w{number}" for number in range(20)]
    async with Engine.open(store) as engine:
        await engine.deploy(source)
        for case in cases[:10]:
            await engine.start("worker", case_id=case)
        taken: list[str | None] = []

        async def publish(number: int) -> None:
            taken.append(await engine.publish("job", number, id=f"j{number}"))

        async with anyio.create_task_group() as group:
            for number in range(20):
                group.start_soon(publish, number)
        assert sorted(filter(None, taken)) == cases[:10]
        assert 10 == len(await engine.messages("job"))

        for case in cases[10:]:
            await engine.start("worker", case_id=case)
        results = [await (await engine.case(case)).result() for case in cases]
    assert sorted(map(str, results)) == sorted(map(str, range(20)))


async def test_kept_messages_are_taken_in_the_order_in_which_they_came(source: Path) -> None:
    clock = VirtualClock(autofire=False)
    async with Engine.open(clock=clock) as engine:
        await engine.deploy(source)
        for number in range(3):
            await engine.publish("job", number, key=3 - number)
            await clock.advance(1)
        for case in "abc":
            await engine.start("worker", case_id=case)
            assert ord(case) - ord("a") == await (await engine.case(case)).result()


async def test_a_case_that_waits_for_very_many_keys_gets_each(source: Path) -> None:
    ids = [str(number) for number in range(130)]
    async with Engine.open() as engine:
        await engine.deploy(source)
        await engine.publish("payment", 7, key="7")
        await engine.publish("payment", 0, key="nobody")
        await engine.start("many", case_id="m", ids=ids)
        for id in ids[::-1]:
            if id != "7":
                assert "m" == await engine.publish("payment", int(id), key=id)

        assert list(range(130)) == await (await engine.case("m")).result()


async def test_a_message_interrupts_work(source: Path) -> None:
    async with Engine.open() as engine:
        await engine.deploy(source)
        case = await engine.start("draft", case_id="d")
        assert "d" == await engine.publish("recall")
        assert "ended" == await case.result()


async def test_a_case_that_stands_still_takes_nothing_until_it_goes_on(source: Path) -> None:
    async with Engine.open() as engine:
        await engine.deploy(source)
        await engine.start("worker", case_id="w")
        await engine.suspend("w")
        assert await engine.publish("job", 1) is None
        await engine.resume_case("w")
        assert 1 == await (await engine.case("w")).result()


# Once


async def test_the_same_message_is_taken_once(source: Path, store: str | Journal) -> None:
    async with Engine.open(store) as engine:
        await engine.deploy(source)
        assert await engine.publish("job", 1, id="j") is None
        assert await engine.publish("job", 1, id="j") is None
        await engine.start("worker", case_id="w1")
        await engine.start("worker", case_id="w2")
        assert 1 == await (await engine.case("w1")).result()

        assert "w1" == await engine.publish("job", 1, id="j"), "it tells who took it"

        assert CaseStatus.running is (await engine.case("w2")).status
    async with Engine.open(store) as engine:
        assert "w1" == await engine.publish("job", 1, id="j")
        assert "w2" == await engine.publish("job", 2, id="k")


async def test_what_was_posted_before_a_crash_is_taken_after_it(source: Path) -> None:
    journal = Lasting()
    async with Engine.open(journal, park_after_s=0.02) as engine:
        await engine.deploy(source)
        for case in ("w1", "w2"):
            await engine.start("worker", case_id=case)
        await until_parked(engine)
    for id in ("a", "b", "c"):
        journal.append([Commit("", posted=(letter(id),))])

    async with Engine.open(journal) as engine:
        results = {await (await engine.case(case)).result() for case in ("w1", "w2")}
        assert {"a", "b"} == results
        assert ["c"] == [each.id for each in await engine.messages()]


def letter(id: str, name: str = "job") -> Letter:
    body = b'{"key":null,"payload":"%s"}' % id.encode()
    return Letter(id, name, "null", body, 1, 2**62)


class Robbed(Lasting):
    """A journal in which another process receives letters before this one can."""

    is_robbed = True

    def append(self, commits: Sequence[Commit]) -> None:
        received = [id for commit in commits for id in commit.received]
        if self.is_robbed and received:
            self.is_robbed = False
            row = InputRow("other", 1, 1, MESSAGE, -1, "job", b"")
            super().append([Commit("other", (row,), received=tuple(received))])
        super().append(commits)


async def test_a_case_goes_on_without_what_another_process_has_received(source: Path) -> None:
    journal = Robbed()
    async with Engine.open(journal) as engine:
        await engine.deploy(source)
        other = await engine.start("order", case_id="other", id="x")
        case = await engine.start("worker", case_id="w")

        assert "other" == await engine.publish("job", 1, id="j")

        assert CaseStatus.running is case.status
        assert {} == engine.stranded
        assert "w" == await engine.publish("job", 2, id="k")
        assert 2 == await case.result()
        assert CaseStatus.running is other.status


class Owned(Lasting):
    """A journal in which another process writes to a case."""

    is_calm = True

    def append(self, commits: Sequence[Commit]) -> None:
        if not self.is_calm and any(commit.received for commit in commits):
            raise JournalConflict(commits[0].case, commits[0].inputs[0].seq)
        super().append(commits)


async def test_a_case_that_another_process_writes_to_is_let_go_of(source: Path) -> None:
    journal = Owned()
    async with Engine.open(journal) as engine:
        await engine.deploy(source)
        case = await engine.start("worker", case_id="w")
        journal.is_calm = False

        assert await engine.publish("job", 1) is None

        with pytest.raises(JournalConflict):
            await case.result()
        assert ["w"] == list(engine.stranded)
        assert 1 == len(await engine.messages())


class Away(Lasting):
    """A journal that may be away."""

    is_away = False

    def append(self, commits: Sequence[Commit]) -> None:
        if self.is_away:
            raise StoreUnavailable("the store cannot be reached; try again")
        super().append(commits)


async def test_a_message_that_is_published_while_the_store_goes_away_is_taken_once(
    source: Path,
) -> None:
    journal = Away()
    async with Engine.open(journal, patience_s=0.05) as engine:
        await engine.deploy(source)
        cases = [await engine.start("worker", case_id=case) for case in ("w1", "w2")]
        journal.is_away = True
        for _ in range(2):  # one that waits to be written, and one that is not begun
            with pytest.raises(StoreAway):
                await engine.publish("job", 1, id="j")
        journal.is_away = False
        with anyio.fail_after(10):
            while not journal.receiver("j"):  # noqa: ASYNC110  the writer tries again
                await anyio.sleep(0.01)

        assert "w1" == await engine.publish("job", 1, id="j")

        assert 1 == await cases[0].result()
        assert CaseStatus.running is cases[1].status


# How long


async def test_a_message_that_is_over_is_taken_by_nobody(source: Path) -> None:
    clock = VirtualClock(autofire=False)
    async with Engine.open(clock=clock) as engine:
        await engine.deploy(source)
        await engine.publish("job", 1, ttl_s=10)
        await engine.publish("job", 2, ttl_s=20)
        await clock.advance(10)
        case = await engine.start("worker")
        assert 2 == await case.result()


async def test_what_is_over_is_forgotten(source: Path, store: str | Journal) -> None:
    clock = VirtualClock(autofire=False)
    async with Engine.open(store, clock=clock) as engine:
        await engine.deploy(source)
        await engine.start("worker", case_id="w")
        assert "w" == await engine.publish("job", 0, id="taken", ttl_s=1)
        await engine.publish("job", 1, id="short", ttl_s=10)
        await engine.publish("job", 2, id="long", ttl_s=10 * DAY_S)

    await clock.advance(2 * DAY_S)
    async with Engine.open(store, clock=clock) as engine:
        with anyio.fail_after(10):
            while len(await engine.messages()) > 1:  # noqa: ASYNC110  it goes without a word
                await anyio.sleep(0.01)
        assert "w" == await engine.publish("job", 0, id="taken", ttl_s=1)

    await clock.advance(6 * DAY_S)
    async with Engine.open(store, clock=clock) as engine:
        with anyio.fail_after(10):
            while await engine.publish("job", 0, id="taken", ttl_s=1):  # noqa: ASYNC110
                await anyio.sleep(0.01)
        await engine.publish("job", 0, id="taken", ttl_s=1)
        assert {"long", "taken"} == {each.id for each in await engine.messages()}


async def test_messages_are_dropped(source: Path, store: str | Journal) -> None:
    async with Engine.open(store) as engine:
        await engine.deploy(source)
        for number in range(3):
            await engine.publish("job", {"n": number}, key=number, id=f"j{number}")

        assert 2 == await engine.drop_messages("j0", "j2", "j9")

        (message,) = await engine.messages()
        assert ("j1", "job", 1, {"n": 1}) == (
            message.id,
            message.name,
            message.key,
            message.payload,
        )
        await engine.publish("job", id="j3")
        assert ["j3"] == [each.id for each in await engine.messages(after=message)]
    async with Engine.open(store, reading=True) as engine:
        assert ["j1", "j3"] == [each.id for each in await engine.messages("job")]
        with pytest.raises(UsageError, match="only reads"):
            await engine.publish("job")


# Limits


async def test_a_message_that_is_too_long_or_one_too_many_is_refused(source: Path) -> None:
    limits = Limits(message_bytes_max=100, kept_messages_max=2)
    async with Engine.open(limits=limits) as engine:
        await engine.deploy(source)
        with pytest.raises(LimitExceeded, match=r"Limits\.message_bytes_max is 100"):
            await engine.publish("job", "x" * 100)
        for _ in range(3):
            await engine.publish("job", id="same")
        await engine.publish("job", id="other")
        with pytest.raises(LimitExceeded, match=r"Limits\.kept_messages_max is 2"):
            await engine.publish("job")
        await (await engine.start("worker")).result()
        await engine.publish("job")


async def test_what_cannot_be_published_is_refused(source: Path) -> None:
    async with Engine.open() as engine:
        with pytest.raises(InputError, match="key"):
            await engine.publish("job", key=object())
        with pytest.raises(InputError, match="payload"):
            await engine.publish("job", [object()])
        with pytest.raises(UsageError, match="the name of a message"):
            await engine.publish("")
        with pytest.raises(UsageError, match="the id of a message"):
            await engine.publish("job", id="")
        for ttl_s in (0, -1, float("nan"), 1e18):
            with pytest.raises(UsageError, match="ttl_s"):
                await engine.publish("job", ttl_s=ttl_s)
        assert () == await engine.messages()


async def test_what_a_case_waits_for_is_told_when_no_kept_message_is_for_it(source: Path) -> None:
    async with Engine.open() as engine:
        await engine.deploy(source)
        for number in range(5):
            await engine.publish("job", number)
            await engine.start("worker", case_id=f"w{number}")
            assert await engine.waits(f"w{number}") is None
        await engine.start("worker", case_id="w")
        assert await engine.waits("w") is not None


async def test_what_a_case_waits_for_is_told_when_the_post_has_only_begun(
    source: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    learn, go = PostOffice._learn, anyio.Event()

    async def learn_late(office: PostOffice) -> None:
        await go.wait()
        await learn(office)

    monkeypatch.setattr(PostOffice, "_learn", learn_late)
    async with Engine.open(resume=False) as engine:
        await engine.deploy(source)
        await engine.start("worker", case_id="w")
        with anyio.fail_after(10):
            async with anyio.create_task_group() as group:
                group.start_soon(engine.waits, "w")
                await anyio.wait_all_tasks_blocked()
                go.set()


# Signals


async def test_a_signal_is_broadcast_to_all_that_wait(source: Path, store: str | Journal) -> None:
    async with Engine.open(store, park_after_s=0.02) as engine:
        await engine.deploy(source)
        for case in ("w1", "w2"):
            await engine.start("worker", case_id=case, tenant=f"of {case}")
        await until_parked(engine)
        await engine.start("worker", case_id="w3", tenant="of w1")
        await engine.start("draft", case_id="d")

        assert 0 == await engine.broadcast("stop_all", workflow="draft")
        assert 2 == await engine.broadcast("stop_all", {"why": 1}, tenant="of w1")
        assert CaseStatus.running is (await engine.case("w2")).status
        assert 1 == await engine.broadcast("stop_all", workflow="worker")
        assert 0 == await engine.broadcast("stop_all")
        assert 1 == await engine.broadcast("recall")

        for case in ("w1", "w2", "w3", "d"):
            await (await engine.case(case)).result()
            told = [step for step in (await engine.show(case)).history if step.kind == "signal"]
            assert 1 == len(told), "those that do not wait hear nothing"


async def test_a_broadcast_goes_on_behind_a_case_that_cannot_take_it(
    source: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("knhk.engine.messages.PAGE", 2)
    journal = Lasting()
    async with Engine.open(journal) as engine:
        await engine.deploy(source)
        for number in range(5):
            await engine.start("worker", case_id=f"w{number}")
    async with Engine.open(journal, resume=False, limits=Limits(case_inputs_max=1)) as engine:
        assert 0 == await engine.broadcast("stop_all")
    async with Engine.open(journal, resume=False) as engine:
        assert 5 == await engine.broadcast("stop_all")
    assert () == journal.waiting(SIGNAL, "stop_all")


# Where several processes share a store


async def test_messages_and_signals_reach_cases_that_another_process_runs(
    source: Path, postgres: str
) -> None:
    names = [f"k{number}" for number in range(12)]
    async with Engine.open(postgres) as one, Engine.open(postgres) as other:
        engines = [one, other]
        await one.deploy(source)
        for number, name in enumerate(names):
            await engines[number % 2].start("order", case_id=name, id=name)
            await engines[number % 2].complete(name, "before")
        with anyio.fail_after(20):
            while not all(each._running and each._running.live for each in engines):  # noqa: ASYNC110
                await anyio.sleep(0.05)

        taken = [await one.publish("payment", name, key=name) for name in names[:6]]
        taken += [await other.publish("payment", name, key=name) for name in names[6:]]

        assert names == taken
        assert names == [await (await one.case(name)).result() for name in names]

        await other.publish("payment", "kept", key="z")
        await one.start("order", case_id="z", id="z")
        await one.complete("z", "before")
        assert "kept" == await (await one.case("z")).result()

        for number in range(12):
            await engines[number % 2].start("worker", case_id=f"w{number}")
        assert 12 == await one.broadcast("stop_all")
