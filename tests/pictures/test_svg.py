"""The SVG picture: what it shows, that all of it can be read, and that it needs nothing else."""

from __future__ import annotations

import os
import subprocess
import sys
from xml.etree import ElementTree as ET

import pytest
from hypothesis import HealthCheck, given, settings

from knhk.errors import Run, Step
from knhk.model import Net
from knhk.pictures import Colours, svg
from knhk.pictures.words import cut, printable
from tests.orjoin.nets import block_nets, free_nets

from .nets import CASES, DEADLOCK, SVG, UNTRUSTED, Picture, case, flow, untrusted

NAMES = sorted(path.stem for path in CASES.glob("*.knhk"))


def legible(text: str) -> list[str]:
    """The words that stand half on a box, or on other words."""
    picture = Picture(text)
    boxes, texts = picture.boxes(), picture.texts()
    bad = [
        words
        for words, at in texts.items()
        if any(box.meets(at) and not box.holds(at) for box in boxes)
    ]
    return bad + [
        f"{one} / {other}"
        for one, at in texts.items()
        for other, there in texts.items()
        if one < other and at.meets(there)
    ]


def test_tasks_are_boxes_with_their_names() -> None:
    picture = Picture(svg(flow("a b c", "start -> a -> b -> c -> end")))

    assert ["a", "b", "c"] == list(picture.groups("net-task"))
    assert ["a", "b", "c", "end"] == picture.words


def test_joins_and_splits_are_badges_at_the_task() -> None:
    net = flow("a b c d", "start -> a -> any(b when x, c otherwise) -> d -> end", given="x: bool")

    tasks = Picture(svg(net)).groups("net-task")

    words = {
        name: [each.text for each in group.iter(f"{SVG}text")] for name, group in tasks.items()
    }
    assert {"a": ["a", "OR"], "b": ["b"], "c": ["c"], "d": ["d", "OR"]} == words


def test_guards_stand_on_the_arrows() -> None:
    net = flow("a b c", "start -> a -> one(b when x > 3, c otherwise) -> end", given="x: int")

    assert {"x > 3", "otherwise"} < set(Picture(svg(net)).words)


def test_an_arrow_without_a_choice_bears_no_words() -> None:
    net = flow("a b c", "start -> a -> all(b, c) -> end")

    assert {"a", "b", "c", "AND", "end"} == set(Picture(svg(net)).words)


def test_an_exception_is_a_dashed_arrow_that_says_what_it_waits_for() -> None:
    picture = Picture(svg(case("sections")))

    assert 2 == len(picture.all("path", "aside"))
    assert {"on timeout", "on error Torn"} < set(picture.words)


def test_a_milestone_is_a_dashed_line_without_an_arrow_head() -> None:
    picture = Picture(svg(case("sections")))

    (line,) = picture.all("path", "read")
    assert "stroke-dasharray" in str(picture.root.findtext(f"{SVG}style"))
    assert "arrow read" == line.get("class")


def test_every_line_but_a_milestone_has_one_head() -> None:
    picture = Picture(svg(case("sections")))

    assert len(picture.all("path", "arrow")) - 1 == len(picture.all("path", "head"))


def test_what_a_node_cancels_is_shaded_each_region_in_its_colour() -> None:
    picture = Picture(svg(case("cancelling")))

    assert ["region-0", "region-1"] == [
        each.get("class", "").split()[-1] for each in picture.all("g", "region")
    ]
    assert {"cancelled by withdraw", "cancelled by first"} == set(picture.groups("shade"))


def test_what_runs_one_at_a_time_is_shaded_and_named() -> None:
    picture = Picture(svg(case("sections")))

    assert 2 == len(picture.all("g", "section"))
    assert {"critical desk", "one at a time"} < set(picture.words)


def test_the_place_of_the_start_holds_a_token_and_named_places_have_their_names() -> None:
    picture = Picture(svg(case("sections")))

    assert 1 == len(picture.all("circle", "token"))
    assert "is_open" in picture.words


def test_places_on_arrows_are_drawn_when_asked_for() -> None:
    net = flow("a b", "start -> a -> b -> end")

    assert 1 == len(Picture(svg(net)).all("circle", "place"))
    assert 4 == len(Picture(svg(net, places=True)).all("circle", "place"))


def test_a_run_numbers_the_tasks_that_it_visits_and_counts_what_it_leaves() -> None:
    picture = Picture(svg(case("deadlock"), DEADLOCK))

    assert ["1", "2", "1"] == [
        each.text for each in picture.all("text", "tiny") if each.text in "12"
    ]
    assert {"receive", "check"} == {
        name
        for name, group in picture.groups("net-task").items()
        if "visited" in ET.tostring(group, "unicode")
    }
    lines, heads = (
        [each for each in picture.all("path", kind) if "taken" in each.get("class", "")]
        for kind in ("arrow", "head")
    )
    assert 3 == len(lines) == len(heads)


def test_a_task_that_is_still_at_work_is_marked() -> None:
    net = flow("a b", "start -> a -> b -> end")

    picture = Picture(svg(net, Run((Step("a"), Step("b", "starts")), (), ("b",))))

    assert "at work" in picture.words
    assert 1 == len(picture.all("rect", "working"))


def test_a_task_that_is_visited_often_names_its_first_steps() -> None:
    net = flow("a", "start -> repeat(a) until x -> end", given="x: bool")

    picture = Picture(svg(net, Run((Step("a"),) * 100)))

    assert "1, 2, 3, 4, 5, 6, …" in picture.words


def test_a_picture_brings_its_colours_light_and_dark() -> None:
    style = str(Picture(svg(case("loop"))).root.findtext(f"{SVG}style"))

    assert "prefers-color-scheme: dark" in style
    assert "var(" not in style


def test_a_page_can_give_its_own_colours() -> None:
    style = str(
        Picture(svg(case("loop"), colours=Colours(ink="var(--ink)"))).root.findtext(f"{SVG}style")
    )

    assert "fill: var(--ink)" in style
    assert "prefers-color-scheme" not in style


def test_a_picture_refers_to_nothing_outside_and_runs_nothing() -> None:
    picture = Picture(svg(untrusted()))

    tags = {each.tag.removeprefix(SVG) for each in picture.root.iter()}
    assert tags <= {"svg", "title", "style", "rect", "circle", "path", "polygon", "g", "text"}
    names = {name for each in picture.root.iter() for name in each.attrib}
    assert not any(name.startswith("on") or name.endswith("href") for name in names)


def test_hostile_names_are_words_and_nothing_else() -> None:
    picture = Picture(svg(untrusted()))

    assert cut(UNTRUSTED) in picture.words
    assert printable(UNTRUSTED) in picture.groups("net-task")


@pytest.mark.parametrize("name", NAMES)
def test_no_words_stand_on_a_box_or_on_others(name: str) -> None:
    assert [] == legible(svg(case(name)))
    assert [] == legible(svg(case(name), places=True))


@settings(suppress_health_check=[HealthCheck.too_slow], max_examples=25)
@given(block_nets())
def test_no_words_of_a_structured_net_stand_on_a_box_or_on_others(net: Net) -> None:
    assert [] == legible(svg(net))


@settings(suppress_health_check=[HealthCheck.too_slow], max_examples=25)
@given(free_nets())
def test_no_words_of_any_net_stand_on_a_box_or_on_others(net: Net) -> None:
    assert [] == legible(svg(net))


def test_the_same_net_gives_the_same_bytes_in_every_process() -> None:
    code = (
        "from tests.pictures.nets import *; from knhk.pictures import *;"
        "nets = [case(n) for n in ('cancelling', 'sections', 'instances')];"
        "print(*[f(n) for n in nets for f in (svg, mermaid, dot, as_json)])"
    )

    printed = {
        subprocess.run(
            [sys.executable, "-c", code],
            capture_output=True,
            check=True,
            env={**os.environ, "PYTHONHASHSEED": seed, "PYTHONIOENCODING": "utf-8"},
            timeout=60,
        ).stdout
        for seed in ("1", "2")
    }

    assert 1 == len(printed)
