"""Large values stand in the store once, and come back wherever their case is read."""

from __future__ import annotations

import sys
from collections.abc import Awaitable, Callable
from functools import partial
from pathlib import Path
from random import Random
from typing import Any, TypeVar

import anyio
import pytest
from blake3 import blake3

from knhk import CaseStatus, Engine
from knhk.engine import Limits
from knhk.engine.facts import decode_json, encode_json, encode_snapshot, whole
from knhk.engine.payloads import joined, put_away, put_away_known, refers
from knhk.errors import StoreDamaged
from knhk.journal import Journal, MemoryJournal, open_journal

pytestmark = pytest.mark.anyio

SOON_S = 0.02
WORKFLOW = """
workflow w(doc: json) -> json
    task hand
    task news = message news
    task last
    flow
        start -> hand -> news -> last -> end
    return {"doc": doc, "hand": hand}
"""
T = TypeVar("T")
DOCUMENT = "ä document " * 20_000
BODY = {"text": DOCUMENT, "rows": [{"n": n} for n in range(20_000)], "small": [1, 2]}


@pytest.fixture
def source(tmp_path: Path) -> Path:
    path = tmp_path / "w.knhk"
    path.write_text(WORKFLOW, encoding="utf-8")
    return path


@pytest.fixture(params=["memory", "sqlite", "postgres"])
def address(request: pytest.FixtureRequest, tmp_path: Path) -> Any:
    """What opens the same store again and again."""
    if request.param == "sqlite":
        return str(tmp_path / "w.db")
    if request.param == "postgres":
        return request.getfixturevalue("postgres")
    journal = MemoryJournal()
    journal.close = lambda: None  # type: ignore[method-assign]  # it is opened again
    return journal


def reader(address: Any) -> Journal:
    return address if isinstance(address, MemoryJournal) else open_journal(address, reading=True)


def blob_count(address: Any) -> int:
    """How many payloads the store holds."""
    if isinstance(address, MemoryJournal):
        return len(address._blobs)
    journal: Any = open_journal(address, reading=True)
    try:
        if address.startswith("postgresql"):
            return int(journal._ask("SELECT count(*) FROM blobs")[0][0])
        return int(journal._reader.execute("SELECT count(*) FROM blobs").get)
    finally:
        journal.close()


async def until(ask: Callable[[], Awaitable[T | None]]) -> T:
    """What is answered once there is an answer."""
    with anyio.fail_after(10):
        while not (answer := await ask()):  # noqa: ASYNC110  nothing tells when
            await anyio.sleep(SOON_S)
    return answer


# Bodies


@pytest.mark.parametrize(
    "value",
    [
        {"value": "x" * 200},
        {"value": {"a": ["x" * 200, {"b": ["y" * 200, "x" * 200]}], "c": 1}},
        {"value": [[n, "word"] for n in range(50)]},
        {"value": [{"photo": "p" * 150, "name": "n" * 50} for _ in range(20)], "error": "e"},
        {"value": {"blobs": [["00", ["value"]]], "z": "ö" * 200, "": "x" * 101}},
        {"value": {"a": None, "b": "x" * 200, "c": [None, True, 1.5, 2**60]}},
    ],
)
async def test_a_body_comes_back_from_what_was_put_away(value: dict[str, object]) -> None:
    body = encode_json(value)
    rest, blobs = put_away(body, 100)

    assert refers(rest)
    assert len(rest) < len(body)
    assert all(blake3(data).digest() == key for key, data in blobs.items())
    assert value == whole(rest, blobs)
    assert body == joined(rest, blobs)


async def test_a_short_value_stays_where_it_is() -> None:
    body = encode_json({"value": ["x" * 100]})

    assert (body, {}) == put_away(body, 100)


async def test_a_value_that_nests_deep_comes_back() -> None:
    value: object = "x" * 200
    for _ in range(sys.getrecursionlimit() * 7 // 10):
        value = [value]
    body = encode_json({"value": value})

    rest, blobs = put_away(body, 100)

    assert 1 == len(blobs)
    assert body == joined(rest, blobs)


async def test_a_value_that_nests_too_deep_to_be_looked_at_stays() -> None:
    body = b'{"value":' + b"[" * 100_000 + b"]" * 100_000 + b"}"

    assert (body, {}) == put_away(body, 100)


async def test_the_same_value_has_one_payload_wherever_it_stands() -> None:
    large = {"k": ["x" * 200, 5], "a": ["y"] * 300}
    one = put_away(encode_json({"value": large}), 100)[1]
    other = put_away(encode_json({"value": {"in": [1, large]}, "message": "m"}), 100)[1]

    assert one == other
    again = decode_json(encode_json({"data": {"d": large}}))
    assert isinstance(again, dict)
    shot = encode_snapshot(put_away_known(again, 100, set(one)))
    assert len(shot) < 500
    assert {"data": {"d": large}} == whole(shot, one)


async def test_a_snapshot_refers_to_nothing_that_is_not_in_the_store() -> None:
    plain: dict[str, object] = {"data": {"a": "x" * 200, "b": ["y" * 200, "x" * 200]}}
    known = put_away(encode_json({"value": "y" * 200}), 100)[1]

    shot = put_away_known(plain, 100, set(known))

    assert {"a": "x" * 200, "b": [None, "x" * 200]} == shot["data"]
    assert plain == whole(encode_snapshot(shot), known)


# Cases


async def test_a_document_is_stored_once_and_read_everywhere(source: Path, address: Any) -> None:
    async with Engine.open(address, park_after_s=SOON_S) as engine:
        await engine.deploy(source)
        await engine.start("w", case_id="c", doc=BODY)
        await engine.start("w", case_id="d", doc=BODY)
        await engine.complete("c", "hand", {"again": BODY, "n": 1})
        assert engine._running is not None
        with anyio.fail_after(10):
            while "c" in engine._running.live:  # noqa: ASYNC110  it leaves without a word
                await anyio.sleep(SOON_S)
        assert 2 == blob_count(address)
        journal = reader(address)
        (stored,) = journal.stored(["c"])
        assert stored.snapshot is not None
        assert len(stored.snapshot.body) < 3_000
        assert all(len(entry.body) < 1_000 for entry in journal.inputs("c"))
        journal.close()
        report = await engine.show("c", at=1)
        assert {"doc": BODY} == report.history[0].value

        assert await engine.send("c", "news", {"from": BODY["text"]})

    async with Engine.open(address) as engine:
        case = await engine.case("c")
        await engine.complete("c", "last", None)
        expected = {"doc": BODY, "hand": {"again": BODY, "n": 1}}
        assert expected == await case.result()
        fork = await engine.fork("c", at=3, new_id="f")
        await until(partial(engine.waits, "f"))
        await engine.send("f", "news")
        await engine.complete("f", "last")
        assert expected == await fork.result()
        assert () == (*await engine.verify("c"), *await engine.verify("f"))

    async with Engine.open(address) as engine:
        assert expected == await (await engine.case("c")).result()
        assert {"result": expected} == (await engine.show("c")).outcome
        assert "offered" in await engine.explain("d", "hand")
        assert 2 == blob_count(address)
        assert CaseStatus.completed is (await engine.case("c")).status


PARENT = """
workflow top(doc: json) -> json
    task part = low(doc)
    flow
        start -> part -> end
    return part

workflow low(doc: json) -> json
    task hand
    flow
        start -> hand -> end
    return doc
"""


@pytest.mark.parametrize("restart", [False, True])
async def test_a_sub_case_is_given_a_document_and_gives_it_back(
    tmp_path: Path, address: Any, restart: bool
) -> None:
    path = tmp_path / "p.knhk"
    path.write_text(PARENT, encoding="utf-8")
    async with Engine.open(address) as engine:
        await engine.deploy(path)
        case = await engine.start("top", case_id="c", doc=BODY)
        work = await until(engine.work)
        if not restart:
            await engine.complete(work[0].case, "hand")
            assert BODY == await case.result()
    async with Engine.open(address) as engine:
        if restart:
            await engine.complete(work[0].case, "hand")
        assert BODY == await (await engine.case("c")).result()
        assert () == await engine.verify("c")
        assert 2 == blob_count(address)


async def test_a_value_that_looks_like_a_reference_is_none(source: Path, address: Any) -> None:
    tricky = {"blobs": [["00" * 32, ["value"]]], "value": "x" * 99}
    limits = Limits(inline_bytes_max=64)
    async with Engine.open(address, limits=limits) as engine:
        await engine.deploy(source)
        await engine.start("w", case_id="c", doc=tricky)
        await engine.complete("c", "hand", tricky)
        await engine.send("c", "news", tricky, key=None)
    async with Engine.open(address, limits=limits) as engine:
        case = await engine.case("c")
        await engine.complete("c", "last", tricky)
        assert {"doc": tricky, "hand": tricky} == await case.result()


# What is damaged


def broken(journal: MemoryJournal, how: str) -> None:
    for key in list(journal._blobs):
        if how == "missing":
            del journal._blobs[key]
        else:
            journal._blobs[key] = journal._blobs[key].replace(b"document", b"d0cument")


@pytest.mark.parametrize(("how", "said"), [("missing", "is missing"), ("changed", "been changed")])
async def test_a_damaged_payload_is_told_with_its_place(source: Path, how: str, said: str) -> None:
    journal = MemoryJournal()
    journal.close = lambda: None  # type: ignore[method-assign]
    async with Engine.open(journal) as engine:
        await engine.deploy(source)
        for case in ("c", "d"):
            await engine.start("w", case_id=case, doc="short")
            await engine.complete(case, "hand", DOCUMENT)
        await engine.send("c", "news")
        await engine.complete("c", "last")
    broken(journal, how)
    async with Engine.open(journal) as engine:
        assert ["d"] == list(engine.stranded)
        problem = str(engine.stranded["d"])
        assert "input 2 (complete) of case 'd'" in problem
        assert said in problem
        with pytest.raises(StoreDamaged, match="the outcome of case 'c'"):
            await (await engine.case("c")).result()
        assert said in (await engine.show("c")).history[2].message
        for case in ("c", "d"):
            (fault,) = await engine.verify(case)
            assert (case, 2) == (fault.case, fault.seq)
            assert said in fault.why


# Values of every shape


def shape(random: Random, depth: int = 0) -> object:
    """A random JSON value; few parts, so that the same ones come again."""
    kind = random.randrange(9 if depth < 4 else 5)
    if kind == 0:
        return random.choice([None, True, 0, -1.5, 2**53])
    if kind < 5:
        return random.choice(["", "a", "blobs", "value", "ä€🦀", "x" * 40, "ü" * 90, "long " * 60])
    parts = [shape(random, depth + 1) for _ in range(random.randrange(5))]
    if kind < 7:
        return parts
    return {random.choice(["blobs", "value", "k", "ö", ""]): part for part in parts}


@pytest.mark.parametrize("seed", range(40))
async def test_whatever_is_put_away_comes_back(seed: int) -> None:
    random = Random(seed)
    for _ in range(100):
        plain = {"message": "m", "value": [shape(random), shape(random)]}
        body, bytes_max = encode_json(plain), random.choice([1, 10, 60, 200])
        rest, blobs = put_away(body, bytes_max)
        assert plain == whole(rest, blobs)
        assert body == joined(rest, blobs)
        # A snapshot with some of these parts refers to those that are known, and to no others.
        known = set(random.sample(sorted(blobs), len(blobs) // 2))
        data = {"data": {"one": plain["value"], "other": shape(random)}}
        shot = encode_snapshot(put_away_known(data, bytes_max, known))
        assert data == whole(shot, {key: blobs[key] for key in known})


@pytest.mark.parametrize(
    "references",
    [
        [["00" * 32, ["value", "x"]]],
        [["zz", ["value"]]],
        [["00" * 32, []]],
        [["00" * 32]],
        {"a": 1},
        7,
        [["00" * 32, ["value", 0, "far"]]],
    ],
)
async def test_references_that_make_no_sense_are_damage(references: object) -> None:
    payloads = {bytes(32): encode_json({"value": 1})}
    for value in ({"x": 5}, [1], None, "text"):
        with pytest.raises(ValueError, match=r"payload|hex"):
            whole(encode_json({"blobs": references, "value": value}), payloads)
