"""The export to PNML: places, transitions, arcs, and what is refused."""

from __future__ import annotations

import re
from collections import Counter
from dataclasses import replace
from xml.etree import ElementTree as ET

import pytest

from knhk.errors import InexpressibleNet
from knhk.model import JOIN_AND, SPLIT_OR, Net
from knhk.pictures import petri, pnml

from .nets import case, flow, net_of, untrusted

PNML = "{http://www.pnml.org/version-2009/grammar/pnml}"


class Document:
    """A PNML document, parsed."""

    def __init__(self, text: str) -> None:
        self.root = ET.fromstring(text.encode())

    def all(self, tag: str) -> list[ET.Element]:
        return list(self.root.iter(PNML + tag))

    def labels(self) -> Counter[str]:
        """How many transitions each label has; silent ones have none."""
        return Counter(
            str(each.findtext(f"{PNML}name/{PNML}text"))
            for each in self.all("transition")
            if each.find(f"{PNML}toolspecific") is None
        )

    def arcs(self) -> list[tuple[str, str]]:
        """The arcs by the names of what they are between."""
        names = {
            str(each.get("id")): str(each.findtext(f"{PNML}name/{PNML}text"))
            for each in self.all("place") + self.all("transition")
        }
        return [(names[str(a.get("source"))], names[str(a.get("target"))]) for a in self.all("arc")]


def exported(net: Net) -> Document:
    return Document(pnml(net))


def test_a_sequence_has_a_transition_for_each_task_labelled_with_its_name() -> None:
    document = exported(flow("a b", "start -> a -> b -> end"))

    assert {"a": 1, "b": 1} == document.labels()
    assert [("a", "a -> b"), ("a -> b", "b")] == [arc for arc in document.arcs() if "a -> b" in arc]


def test_a_choice_has_a_transition_for_each_branch() -> None:
    net = flow("a b c", "start -> a -> one(b when x, c otherwise) -> end", given="x: bool")

    assert {"a": 2, "b": 1, "c": 1} == exported(net).labels()


def test_several_ways_in_and_out_have_a_transition_for_each_pair() -> None:
    net = flow(
        "a b c d e",
        "start -> one(a when x, b otherwise) -> c -> one(d when x, e otherwise) -> end",
        given="x: bool",
    )

    assert 4 == exported(net).labels()["c"]


def test_an_or_split_has_a_transition_for_each_set_of_branches() -> None:
    net = flow(
        "a b c d",
        "start -> a -> any(b when x, c when x, d otherwise)",
        *(f"{name} -> end" for name in "bcd"),
        given="x: bool",
    )

    assert 7 == exported(net).labels()["a"]


def test_an_exception_is_a_transition_of_its_own() -> None:
    net = net_of(
        "workflow example()\n"
        "    task a\n        timeout 1s\n"
        "    task b\n"
        "    flow\n        start -> a -> end\n        a -> b on timeout\n        b -> end\n"
    )

    assert {"a": 1, "a on timeout": 1, "b": 1} == exported(net).labels()


def test_there_is_one_source_with_a_token_and_one_sink() -> None:
    document = exported(case("loop"))

    sources = {str(arc.get("target")) for arc in document.all("arc")}
    targets = {str(arc.get("source")) for arc in document.all("arc")}
    places = [str(each.get("id")) for each in document.all("place")]
    assert (["p0"], ["end"]) == (
        [place for place in places if place not in sources],
        [place for place in places if place not in targets],
    )
    assert ["1"] == [each.findtext(f"{PNML}text") for each in document.all("initialMarking")]


def test_weights_are_inscriptions() -> None:
    document = exported(flow("a b", "start -> a -[3 by 2]-> b -> end"))

    assert ["2", "3"] == sorted(
        str(each.findtext(f"{PNML}text")) for each in document.all("inscription")
    )


def test_multiple_instances_are_one_transition() -> None:
    document = exported(case("instances"))

    assert 1 == document.labels()["pack"]


def test_hostile_names_are_text() -> None:
    document = exported(untrusted())

    assert 2 == max(document.labels().values())


@pytest.mark.parametrize(
    ("lines", "reason"),
    [
        (("start -> any(a when x, b otherwise) -> c -> end",), "`c` has an OR-join"),
        (("start -> first(a, b) -> c -> end",), "`first` passes at some of its arrivals"),
        (("start -> first(a, b) cancelling -> c -> end",), "cancels other parts of the net"),
        (("start -> interleave(a, b) -> c -> end",), "`a` is interleaved with other tasks"),
        (("start -> a -> b -> c -> stop",), "`stop` ends the case, whatever else is at work"),
        (("start -> a -> b -> c -> abort",), "`abort` ends the case"),
    ],
)
def test_what_a_net_of_places_and_transitions_cannot_say_is_refused(
    lines: tuple[str, ...], reason: str
) -> None:
    with pytest.raises(InexpressibleNet, match=re.escape(reason)):
        pnml(flow("a b c", *lines, given="x: bool"))


def test_every_reason_is_told_with_the_name_of_its_task() -> None:
    with pytest.raises(InexpressibleNet) as caught:
        pnml(case("sections"))

    assert {
        "`bid` may start only while `is_open` holds a token",
        "a critical section of mutex `desk` holds `sort`, `stamp`",
        "`file` is interleaved with other tasks",
    } <= set(caught.value.reasons)


def test_a_net_with_too_many_ways_through_is_refused() -> None:
    net = flow("a b c", "start -> a -> all(b, c)", "b -> end", "c -> end")
    task, *others = net.nodes
    wide = replace(task, outputs=task.outputs * 1000, split=SPLIT_OR, join=JOIN_AND)

    with pytest.raises(InexpressibleNet, match=f"more than {petri.ARCS_MAX} arcs"):
        pnml(replace(net, nodes=(wide, *others)))
