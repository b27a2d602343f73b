"""`publish`, `send`, `signal`, `broadcast`, `messages` from the command line."""

from __future__ import annotations

import json

import pytest

from .conftest import Outcome, Project

ORDER = """
workflow order(id: str) -> json
    task paid = message payment(id)
    task go = signal go
    flow
        start -> paid -> go -> end
    return paid

workflow numbered(n: int) -> json
    task paid = message payment(n)
    flow
        start -> paid -> end
    return paid
"""


@pytest.fixture
def shop(project: Project) -> Project:
    """Two orders that wait for their payments."""
    project.write("order.knhk", ORDER)
    for name in ("A1", "A2"):
        waiting = run(project, name)
        assert 3 == waiting.code
        assert f"  paid: knhk send {name} payment --key {name} --payload JSON\n" in waiting.err
    return project


def run(project: Project, name: str) -> Outcome:
    return project.knhk("run", "order.knhk", "order", "-p", f"id={name}", "--case", name)


def lines(outcome: Outcome) -> list[dict[str, object]]:
    return [json.loads(line) for line in outcome.out.splitlines()]


def test_a_message_and_a_signal_are_sent_to_a_case(shop: Project) -> None:
    kept = shop.knhk("send", "A1", "payment", "--payload", "1", "--key", "other")
    assert 3 == kept.code
    assert "knhk: case A1 does not wait for the message payment now\n" in kept.err

    sent = shop.knhk("send", "A1", "payment", "--payload", '{"n": 5}', "--key", "A1")
    assert (3, [{"case": "A1", "status": "running"}]) == (sent.code, lines(sent))
    assert "  go: knhk signal A1 go --payload JSON\n" in sent.err

    told = shop.knhk("signal", "A1", "go")
    result = {"case": "A1", "status": "completed", "result": {"n": 5}}
    assert (0, [result]) == (told.code, lines(told))


def test_a_message_is_published_to_whichever_case_waits(shop: Project) -> None:
    shop.write("payment.json", '{"n": 7}')
    published = shop.knhk(
        "publish", "payment", "--key", "A2", "--payload", "@payment.json", "--id", "p1"
    )
    assert 3 == published.code
    assert [
        {"message": "p1", "case": "A2"},
        {"case": "A2", "status": "running"},
    ] == lines(published)

    kept = shop.knhk("publish", "payment", "--key-json", "3", "--id", "p2", "--ttl", "1000")
    assert (0, [{"message": "p2", "case": None}]) == (kept.code, lines(kept))
    outcome = shop.knhk("run", "order.knhk", "numbered", "-p", "n=3")
    assert (0, None) == (outcome.code, outcome.json), "it does not wait for what is there"


def test_a_signal_is_broadcast(shop: Project) -> None:
    for name in ("A1", "A2"):
        shop.knhk("send", name, "payment", "--payload", "1", "--key", name)

    none = shop.knhk("broadcast", "go", "--workflow", "numbered")
    assert (0, [{"signal": "go", "taken": 0}]) == (none.code, lines(none))
    told = shop.knhk("broadcast", "go")
    assert 0 == told.code
    assert {"signal": "go", "taken": 2} == lines(told)[0]
    assert {"A1", "A2"} == {line["case"] for line in lines(told)[1:]}


def test_kept_messages_are_listed_and_dropped(shop: Project) -> None:
    for id_ in ("p1", "p2"):
        shop.knhk("publish", "payment", "--key", "A9", "--payload", "[1]", "--id", id_)
    shop.knhk("publish", "other")

    listed = shop.knhk("messages", "--name", "payment")
    assert ["id", "p1", "p2"] == [line.split()[0] for line in listed.out.splitlines()]
    (first, _) = json.loads(shop.knhk("messages", "--name", "payment", "--json").out)
    assert ("p1", "A9", [1]) == (first["id"], first["key"], first["payload"])

    assert 0 == shop.knhk("messages", "--drop", "p1").code
    assert 1 == shop.knhk("messages", "--drop", "p1", "--drop", "p2").code
    names = [each["name"] for each in json.loads(shop.knhk("messages", "--json").out)]
    assert ["other"] == names


def test_what_is_used_wrongly_is_told(shop: Project) -> None:
    for arguments, why in (
        (("publish", "payment", "--key", "a", "--key-json", "1"), "either --key or --key-json"),
        (("publish", "payment", "--payload", "{"), "is not JSON"),
        (("publish", "payment", "--ttl", "0"), "ttl_s"),
        (("send", "A9", "payment"), "A9"),
        (("publish", "payment", "--store", "none.db"), "there is no store none.db"),
    ):
        outcome = shop.knhk(*arguments)
        assert 2 == outcome.code
        assert why in outcome.err
