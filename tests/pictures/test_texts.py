"""Mermaid, dot and JSON: what they say, and that no name breaks their syntax."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import replace

import msgspec
import pytest

from knhk.errors import Run
from knhk.model import Net, Region
from knhk.pictures import as_json, dot, mermaid
from knhk.pictures.document import NetDocument
from knhk.pictures.words import LABEL_MAX, cut, printable

from .nets import DEADLOCK, UNTRUSTED, case, flow, untrusted

#: What Mermaid may hold between quotes: plain signs, numbers of others, and a line break.
MERMAID_WORDS = re.compile(r'"((?:[\w ,:=+/()\[\].▸●…-]|#\d+;|<br/>)*)"')
DOT_WORDS = re.compile(r'"((?:[^"\\]|\\.)*)"')


def read(text: str) -> NetDocument:
    return msgspec.json.decode(text, type=NetDocument)


def test_every_text_of_a_mermaid_chart_is_quoted_and_plain() -> None:
    for line in mermaid(untrusted()).splitlines():
        rest = MERMAID_WORDS.sub("", line)
        assert re.fullmatch(r"[\w #,:>.(){}\[\]|-]*", rest), line


def test_a_mermaid_label_reads_as_the_name() -> None:
    first = mermaid(untrusted()).splitlines()[1]

    (label,) = MERMAID_WORDS.findall(first)

    shown = re.sub(r"#(\d+);", lambda found: chr(int(found[1])), label)
    assert f"{printable(UNTRUSTED)} ▸ XOR" == shown


@pytest.mark.parametrize(
    ("name", "label"),
    [
        ("1. one", "1#46; one"),
        ("- two", "#45; two"),
        ("# three", "#35; three"),
        ("__four__", "#95;_four_#95;"),
        ("x_5", "x_5"),
        ("a*b*c", "a#42;b#42;c"),
    ],
)
def test_what_markdown_would_take_for_its_own_is_written_by_number(name: str, label: str) -> None:
    net = flow("a", "start -> a -> end")
    task, *others = net.nodes

    chart = mermaid(replace(net, nodes=(replace(task, name=name), *others)))

    assert f'["{label}"]' in chart


def test_a_region_is_a_subgraph_and_one_that_overlaps_is_a_class() -> None:
    chart = mermaid(case("cancelling"))

    assert ['subgraph g1["cancelled by first"]'] == re.findall(r"subgraph g1.*", chart)
    assert chart.count("subgraph") == chart.count("    end\n")


def test_regions_that_cut_each_other_are_told_by_colours() -> None:
    net = flow("a b c d e", "start -> all(a, b, c, d, e) -> end")
    regions = {3: Region(tasks=(0, 1)), 4: Region(tasks=(1, 2))}
    nodes = tuple(
        replace(node, cancels=regions.get(number)) for number, node in enumerate(net.nodes)
    )
    cut_net = replace(net, nodes=nodes)

    chart, graph = mermaid(cut_net), dot(cut_net)

    assert "class n1,n2 group1" in chart
    assert 1 == chart.count("subgraph") == graph.count("subgraph")
    assert 2 == len(re.findall(r'^ +n[12] \[.*color="#9c36b5"', graph, re.MULTILINE))


def test_every_text_of_a_dot_graph_is_quoted() -> None:
    for line in dot(untrusted()).splitlines():
        rest = DOT_WORDS.sub("", line)
        assert re.fullmatch(r"[\w =>{}\[\]-]*", rest), line


def test_a_dot_label_reads_as_the_guard() -> None:
    (label,) = re.findall(r'n0 -> p1 \[label="((?:[^"\\]|\\.)*)"', dot(untrusted()))

    shown = re.sub(r"\\(.)", r"\1", label).replace("&amp;", "&")
    assert cut(UNTRUSTED, LABEL_MAX) == shown


@pytest.mark.parametrize("draw", [mermaid, dot])
def test_a_run_is_told_in_words_and_colours(draw: Callable[[Net, Run], str]) -> None:
    drawn = draw(case("deadlock"), DEADLOCK)

    assert "step 1" in drawn
    assert "step 2" in drawn
    assert "1 ●" in drawn
    assert "#1864ab" in drawn


def test_a_document_has_its_format_and_version() -> None:
    document = read(as_json(case("loop")))

    assert ("knhk-net", 1, "loop", None) == (
        document.format,
        document.version,
        document.workflow,
        document.run,
    )


def test_a_document_has_every_node_place_and_arrow_of_the_net() -> None:
    net = case("sections")

    document = read(as_json(net))

    assert [node.name for node in net.nodes] == [node.name for node in document.nodes]
    assert [place.name for place in net.places] == [place.name for place in document.places]
    assert sum(
        len(node.inputs) + len(node.outputs) + len(node.exceptions) for node in net.nodes
    ) == len(document.arrows)


def test_a_document_tells_guards_and_exceptions() -> None:
    loop, sections = read(as_json(case("loop"))), read(as_json(case("sections")))

    assert ["good"] == [arrow.guard for arrow in loop.arrows if arrow.guard]
    assert 1 == sum(arrow.otherwise for arrow in loop.arrows)
    assert {"on timeout", "on error Torn"} == {a.exception for a in sections.arrows if a.exception}


def test_a_document_tells_regions_and_sections() -> None:
    cancelling, sections = read(as_json(case("cancelling"))), read(as_json(case("sections")))

    assert ["cancelled by withdraw", "cancelled by first"] == [r.title for r in cancelling.regions]
    assert ["critical desk", "one at a time"] == [s.title for s in sections.sections]
    assert ["sort", "stamp"] == [
        node.name for node in sections.nodes if node.id in sections.sections[0].nodes
    ]


def test_a_document_tells_the_run() -> None:
    document = read(as_json(case("deadlock"), DEADLOCK))

    assert [[1], [2], [], []] == [node.visits for node in document.nodes[:4]]
    assert document.run is not None
    assert ["n0", "n1"] == [step.node for step in document.run.steps]
    assert [("check -> ship", 1)] == [(p.name, p.left) for p in document.places if p.left]
    assert 6 == sum(arrow.taken for arrow in document.arrows)


def test_hostile_names_stay_what_they_are_in_a_document() -> None:
    assert UNTRUSTED == read(as_json(untrusted())).nodes[0].name
