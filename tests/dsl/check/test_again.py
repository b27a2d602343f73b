"""A check of what was checked before: always what a new check finds, and quickly."""

from __future__ import annotations

import random
import re
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from knhk.errors import Diagnostic
from knhk.plugins import environment
from knhk_dsl import check_sources
from knhk_dsl.check.known import Known
from knhk_dsl.compilation import check_again
from knhk_dsl.sources import Readings, Sources
from tests.dsl.syntax.test_memory import edited

TYPES = """
enum Size: small, large
enum Colour: red, blue

record Item
    sku: str
    price: decimal = 1
    size: Size?

policy patient
    retry 3 every 1s
    timeout 5s

workflow pick(items: list[Item])
    task take
    flow
        start -> take -> end
    return items
"""
HANDLERS = """
from dataclasses import dataclass


@dataclass
class Hold:
    code: str
    places: "list[Hold]"


def reserve(items: list["Item"], note: str = "") -> Hold: ...
def release(hold: Hold) -> None: ...
"""
ORDER = '''"""Orders."""

from shop use reserve, release
from shop use weigh(items: list[Item]) -> float
from shop use paint(code: str, colour: Colour)
from "types.knhk" use Item, Size, Colour, patient, pick

record Box
    code: str
    weight: float = 0.5

connector web = http(base_url: "https://example.org")

workflow pack(id: str) -> Box
    """Pack one box."""
    task scale = weigh([])
        retry 2 every 1s
    flow
        start -> scale -> end
    return Box(code: id, weight: scale)

workflow order(id: str, items: list[Item], express: bool = false) -> str?
    var total: decimal = sum(item.price for item in items if item.price > 0)
    var note: str?
    var level: int = 1
    var kept: json = 1
    place waiting, spare
    mutex scale
    task hold = reserve(items, note: "for {id} {total}")
        uses patient
        compensate with release(hold)
    task box = pack(id)
        for each item in items
        complete when done >= 2 and len(results) > 0 then cancel rest
    task picked = pick(items)
        sets total = total + len(picked)
    task look = web.get("/{id}/{len(picked)}/{items[0].price * 2}/{level}")
        sets note = coalesce(note, "") + "x"
        holds scale
    task ask
        """Ask somebody."""
        timeout 3s
        while waiting
        cancels look, spare
    task show = paint("{items[0].size == Size.small}", Colour.red)
        sets kept = 2
    task quiet = skip
        sets note = "quiet"
    task answer = message reply(id)
    task again = skip
        sets total = total + 1
    task turn = message turn
    task more
        completes box
    flow
        start -> hold -> all(box, picked) -> one(
            look when total > 10 and hold.code != "",
            ask when express or len(picked) > 3,
            quiet otherwise,
        ) -> answer
        ask -> more on timeout
        hold -> more on timeout
        more -> again
        again -> one(again when total > 100, turn otherwise)
        turn -> one(turn when express, show otherwise)
        show -> answer
        look -> spare on error Declined
        hold -> waiting on error Declined
        waiting -> more
        answer -> end
    return note
'''


@dataclass
class Editor:
    """A project that is edited, and checked after each edit with what was known before."""

    root: Path
    readings: Readings
    known: Known

    def check(self, texts: dict[str, str]) -> tuple[Diagnostic, ...]:
        return check_again(self._sources(texts, self.readings), self.known)

    def check_afresh(self, texts: dict[str, str]) -> tuple[Diagnostic, ...]:
        return check_sources(self._sources(texts, Readings()), self.known.environment)

    def _sources(self, texts: dict[str, str], readings: Readings) -> Sources:
        (self.root / "shop.py").write_text(texts["shop.py"], encoding="utf-8", errors="replace")
        opened = {self.root / name: text for name, text in texts.items() if name != "shop.py"}
        return Sources.of_editor(self.root / "order.knhk", opened, readings)


TEXTS = {"shop.py": HANDLERS, "types.knhk": TYPES, "order.knhk": ORDER}


@pytest.fixture(scope="module")
def root() -> Iterator[Path]:
    with tempfile.TemporaryDirectory() as directory:
        path = Path(directory).resolve()
        (path / "knhk.toml").touch()
        yield path


def editor(root: Path) -> Editor:
    return Editor(root, Readings(), Known(environment()))


# --- edits of all kinds ---------------------------------------------------------------------


def with_other_word(text: str, chance: random.Random) -> str:
    """One word is another one of the text."""
    words = list(re.finditer(r"\w+", text))
    if not words:
        return text
    place, other = chance.choice(words), chance.choice(words)
    return text[: place.start()] + other.group() + text[place.end() :]


def with_line_at_top(text: str, _chance: random.Random) -> str:
    return f"# a note\n{text}"


def with_line_elsewhere(text: str, chance: random.Random) -> str:
    """A line is taken out, written twice, or put elsewhere."""
    lines = text.split("\n")
    line = lines[chance.randrange(len(lines))]
    if chance.random() < 0.6:
        lines.remove(line)
    if chance.random() < 0.6:
        lines.insert(chance.randrange(len(lines) + 1), line)
    return "\n".join(lines)


def with_other_name(text: str, chance: random.Random) -> str:
    """A name is another one wherever it stands."""
    words = sorted(set(re.findall(r"\w+", text)))
    if not words:
        return text
    name = chance.choice(["fresh", "item", chance.choice(words)])
    return re.sub(rf"\b{chance.choice(words)}\b", name, text)


EDITS: list[Callable[[str, random.Random], str]] = [
    with_other_word,
    with_other_word,
    with_line_at_top,
    with_line_elsewhere,
    with_line_elsewhere,
    with_other_name,
    edited,
]


@settings(max_examples=30)
@given(chance=st.randoms(use_true_random=False))
def test_after_any_edits_in_any_file_a_check_finds_what_a_new_one_finds(
    root: Path, chance: random.Random
) -> None:
    checks, texts = editor(root), dict(TEXTS)
    for _ in range(10):
        assert checks.check_afresh(texts) == checks.check(texts)
        if chance.random() < 0.3:
            texts = dict(TEXTS)  # what was wrong is mended
        file = chance.choice(["order.knhk", "order.knhk", "order.knhk", *texts])
        texts[file] = chance.choice(EDITS)(texts[file], chance)


# --- what every part of a task rests on -------------------------------------------------------

#: A file, what is replaced in it and by what, and the code that is then found.
CHANGES = [
    # what has certainly completed
    ("order.knhk", "all(box, picked)", "one(box when express, picked otherwise)", "KN303"),
    ("order.knhk", "answer -> end", "answer -> end\n        hold -> end on timeout", "KN421"),
    # timeouts, of a task and of a policy
    ("order.knhk", "        timeout 3s\n", "", "KN420"),
    ("types.knhk", "    timeout 5s\n", "", "KN420"),
    # what a task has to do with the flow
    ("order.knhk", "        sets total = total + 1\n", "", "KN426"),
    ("order.knhk", "task turn = message turn", "task turn = skip", "KN426"),
    ("order.knhk", "cancels look, spare", "cancels look", "KN405"),
    ("order.knhk", "        while waiting\n", "", ""),
    ("order.knhk", "waiting, spare\n", "waiting, spare, other\n", "KN422"),
    ("order.knhk", "    place waiting, spare\n", "", "KN205"),
    # records, enumerations, policies, classes of Python
    ("types.knhk", "price: decimal", "price: str", "KN302"),
    ("types.knhk", "    size: Size?\n", "", "KN304"),
    ("types.knhk", "small, large", "little, large", "KN304"),
    ("types.knhk", "red, blue", "green, blue", "KN304"),
    ("types.knhk", "policy patient", "policy slow", "KN208"),
    ("shop.py", "    code: str\n", "", "KN304"),
    ("shop.py", "release(hold: Hold)", "release(hold: str)", "KN308"),
    ("shop.py", ", note: str", "", "KN307"),
    # signatures that are written, and what workflows take and give
    ("order.knhk", "weigh(items: list[Item])", "weigh(items: str)", "KN308"),
    ("order.knhk", "workflow pack(id: str)", "workflow pack(id: int)", "KN308"),
    ("types.knhk", "return items", "return 1", "KN308"),
    ("order.knhk", "= http(", "= smtp(", "KN601"),
    # names
    ("order.knhk", "    var note: str?\n", "", "KN205"),
    ("order.knhk", "    var note: str?\n", "    var note: int?\n", "KN301"),
    ("order.knhk", "items: list[Item], express", "item: str, items: list[Item], express", "KN206"),
    ("order.knhk", "waiting, spare\n", "waiting, spare, item\n", "KN206"),
    ("order.knhk", "    mutex scale\n", "    place scale\n", "KN215"),
    ("order.knhk", "        for each item in items\n", "", "KN502"),
    # what a task does for others
    ("order.knhk", "/{level}", "", "KN212"),
    ("order.knhk", "        sets kept = 2\n", "", "KN212"),
    # what is written in a task
    ("order.knhk", "/{len(picked)}", "/{picked > 1}", "KN302"),
    # what cannot be read, and so may be what a name stands for
    ("order.knhk", "    mutex scale\n", "    mutex scale\n    ???\n", "KN101"),
    ("order.knhk", "connector web", "???\nconnector web", "KN101"),
]


def codes(found: tuple[Diagnostic, ...]) -> set[str]:
    return {diagnostic.code for diagnostic in found}


@pytest.mark.parametrize(("file", "old", "new", "code"), CHANGES)
def test_whatever_a_task_rests_on_is_seen_to_change(
    root: Path, file: str, old: str, new: str, code: str
) -> None:
    checks = editor(root)
    changed = {**TEXTS, file: TEXTS[file].replace(old, new, 1)}
    assert checks.check(TEXTS) == ()

    for texts in (changed, TEXTS, changed, with_lines(changed), TEXTS):
        found = checks.check(texts)
        assert checks.check_afresh(texts) == found
        assert code in codes(found) or texts is TEXTS or not code


def with_lines(texts: dict[str, str]) -> dict[str, str]:
    """The same with a line more at the top of each file."""
    return {name: f"# a note\n{text}" for name, text in texts.items()}


@pytest.mark.parametrize(
    ("unknown", "unread", "code"),
    [
        # A name may be declared in what cannot be read, in a workflow and in a file.
        ("/{lost}", "    mutex scale\n    ???\n", "KN205"),
        ("/{lost()}", "???\nconnector web", "KN305"),
        # Nothing is known of connectors of a type that is not there.
        ("/{id}" + '", to: "x', "= smtp(", "KN307"),
    ],
)
def test_what_was_excused_is_told_when_its_excuse_is_gone(
    root: Path, unknown: str, unread: str, code: str
) -> None:
    checks = editor(root)
    told = {**TEXTS, "order.knhk": ORDER.replace("/{level}", f"{unknown}/{{level}}", 1)}
    readable = unread.replace("    ???\n", "").replace("???\n", "").replace("smtp", "http")
    excused = {**told, "order.knhk": told["order.knhk"].replace(readable, unread, 1)}
    assert excused != told

    for texts in (TEXTS, excused, told, excused, TEXTS):
        found = checks.check(texts)
        assert checks.check_afresh(texts) == found
        assert (code in codes(found)) == (texts is told)


def test_a_name_is_used_by_a_task_that_is_not_checked_again(root: Path) -> None:
    checks = editor(root)
    text = """
from "types.knhk" use Size
from shop use put(same: bool)

workflow order()
    task first = put(Size.small == Size.large)
    flow
        start -> first -> end
"""
    texts = {**TEXTS, "order.knhk": text}

    assert checks.check(texts) == checks.check(with_lines(texts)) == ()
    assert codes(checks.check({**texts, "order.knhk": text.replace("Size.small ==", "1 ==")}))
