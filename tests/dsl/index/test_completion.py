"""What could be written at a place, whether or not the line can be read."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.dsl.index.sources import ORDER, completed, names, project

HEAD = 'connector crm = http(base_url: "http://localhost")\n'


def body(lines: str) -> str:
    """The source with lines in the workflow `order`, before its flow."""
    before, _, after = ORDER.rpartition("    flow\n")
    return f"{HEAD}{before}{lines}\n    flow\n{after}"


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("    task new = hol|", {"reserve", "pack", "order", "crm", "human", "log"}),
        ("    task new\n        compensate with |", {"reserve", "pack", "log"}),
        ("    var n: int = |", {"total", "id", "items", "hold", "len", "Size", "Item"}),
        ("    var n: |", {"Item", "Box", "Size", "int", "list"}),
        ("    task new\n        cancels |", {"hold", "one", "waiting", "new"}),
        ("    task new\n        completes |", {"hold", "one", "new"}),
        ("    task new\n        while |", {"waiting"}),
        ("    task new\n        holds |", {"scale"}),
        ("    task new\n        sets |", {"total"}),
        ("    task new\n        uses |", {"patient"}),
        ("    on failure |", {"pause", "compensate", "cancel"}),
        ("    task new = pack(|", {"id:", "total", "hold"}),
        ('    task new = reserve(items, "{|', {"total", "hold"}),
    ],
)
def test_names_fit_their_place(tmp_path: Path, line: str, expected: set[str]) -> None:
    found = names(completed(project(tmp_path), body(line)))

    assert expected <= set(found)


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("    task new = pack(hold.|", ["code", "size"]),
        ("    task new = pack(hold.|)", ["code", "size"]),
        ("    task new = pack(item.|\n        for each item in items", ["price", "sku"]),
        ("    var n: decimal = sum(each.| for each in items)", ["price", "sku"]),
        ("    var n: json = items[0].|", ["price", "sku"]),
        ("    var n: bool = Size.|", ["large", "small"]),
        ('    var n: str = "of {items[0].|', ["price", "sku"]),
    ],
)
def test_behind_a_dot_come_the_parts_of_what_stands_before(
    tmp_path: Path, line: str, expected: list[str]
) -> None:
    assert expected == names(completed(project(tmp_path), body(line)))


@pytest.mark.parametrize(
    "line", ["    task new = crm.|", "    task new = crm.p|", "    task n = crm.|()"]
)
def test_behind_a_connector_come_its_operations(tmp_path: Path, line: str) -> None:
    found = names(completed(project(tmp_path), body(line)))

    assert ["delete", "get", "head", "patch", "post", "put", "request"] == found


def test_in_the_flow_come_tasks_places_and_words(tmp_path: Path) -> None:
    text = ORDER.replace("start -> hold", "start -> |hold")

    found = completed(project(tmp_path), text)

    assert ["ask", "hold", "one", "waiting"] == names(found, "task", "place")
    assert {"all", "pick", "end", "skip"} <= set(names(found, "keyword"))


def test_a_chain_over_several_lines_is_one_place(tmp_path: Path) -> None:
    text = ORDER.replace("all(one, ask)", "all(  # both\n            one,\n            a|")

    assert ["ask", "hold", "one", "waiting"] == names(
        completed(project(tmp_path), text), "task", "place"
    )


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (f"{ORDER}|", {"workflow", "record", "connector"}),
        (ORDER.replace("    place", "    |\n    place"), {"task", "var", "flow", "return"}),
        (ORDER.replace("        uses", "        |\n        uses"), {"retry", "timeout", "for"}),
        (ORDER.replace("retry 3 every", "retry 3 |every"), {"every", "backoff", "jitter", "up"}),
        (ORDER.replace("total + 1", "total |"), {"and", "or", "if", "in"}),
        (ORDER.replace("-> waiting -> end", "-> waiting |"), {"on"}),
    ],
)
def test_words_of_the_language_come_where_they_can_stand(
    tmp_path: Path, text: str, expected: set[str]
) -> None:
    assert expected <= set(names(completed(project(tmp_path), text), "keyword"))


def test_words_that_cannot_stand_there_do_not_come(tmp_path: Path) -> None:
    text = ORDER.replace("        uses", "        |\n        uses")

    assert not {"task", "workflow", "flow", "and"} & set(names(completed(project(tmp_path), text)))


@pytest.mark.parametrize(
    "text",
    [
        f"# a comm|ent\n{ORDER}",
        ORDER.replace("Pack one", "Pack |one"),
        ORDER.replace('"for {id}', '"for | {id}'),
        ORDER.replace("retry 3 every 1s", "retry 3 every 1s  # at |"),
        f'{ORDER}"""open | text',
    ],
)
def test_nothing_comes_in_a_comment_or_a_text(tmp_path: Path, text: str) -> None:
    assert completed(project(tmp_path), text) is None


def test_the_names_of_a_used_file_and_module_come_behind_use(tmp_path: Path) -> None:
    path = project(tmp_path)

    assert ["Item", "Size"] == names(completed(path, f'from "types.knhk" use |\n{ORDER}'))
    assert ["Hold", "reserve"] == names(completed(path, f"from shop use |\n{ORDER}"))


def test_the_types_of_connectors_come_in_a_connector(tmp_path: Path) -> None:
    assert ["http"] == names(completed(project(tmp_path), f"connector c = |\n{ORDER}"))


def test_what_is_replaced_begins_with_the_word(tmp_path: Path) -> None:
    text = body("    var n: decimal = tot|")

    found = completed(project(tmp_path), text)

    assert found is not None
    assert text.index("|") - 3 == found.start
