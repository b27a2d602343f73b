"""Signatures are read from Python source, and nothing is imported for it."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from knhk_dsl.names.arguments import CallSignature
from knhk_dsl.names.pymodules import UnreadableModule
from knhk_dsl.names.signatures import NoSuchName, Signatures
from knhk_dsl.values.types import Enumeration, ListOf, Maybe, Record

HANDLERS = """
from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Literal, NamedTuple, Optional, TypedDict
from datetime import date, datetime, timedelta
from decimal import Decimal

from pydantic import BaseModel

from . import models
from .models import Address as Home
from knhk.call import Call

raise SystemExit("nobody may import this")


@dataclass
class Hold:
    id: int
    home: Home
    parent: "Hold | None" = None
    kind: ClassVar[str] = "hold"
    _hidden: int = 0


class Code(NamedTuple):
    code: str


class Options(TypedDict, total=False):
    fast: bool


class Base(BaseModel):
    id: int


class Derived(Base):
    name: str = ""


class Plain:
    def __init__(self, x: int) -> None: ...


def scalars(a: str, b: int, c: float, d: bool, e: Decimal, f: bytes, g: date, h: datetime,
            i: timedelta) -> None: ...
def generics(a: list[int], b: dict[str, Decimal], c: Optional[str], d: int | None,
             e: Literal["x", "y"], f: tuple[int, ...], g: Annotated[int, 1], h: Any, i,
             j: "list[str]") -> int: ...
def kinds(a, /, b, *, c, d=1, **rest: int) -> Hold: ...
async def later(*many: str) -> Code: ...
def with_call(x: int, call: Call) -> dict: ...
def with_keyword_call(x: int, *, call) -> list: ...
def records(item: Item, size: Size) -> list[Item]: ...
def options() -> Options: ...
def derived() -> Derived: ...
def plain() -> Plain: ...

if TYPE_CHECKING:
    from elsewhere import typed
else:
    typed = None

try:
    import fast as engine
except ImportError:
    engine = None

value = 3
"""
MODELS = """
from dataclasses import dataclass

@dataclass(frozen=True)
class Address:
    street: str
"""


@pytest.fixture
def package(tmp_path: Path) -> Path:
    (tmp_path / "shop").mkdir()
    (tmp_path / "shop/__init__.py").touch()
    (tmp_path / "shop/handlers.py").write_text(HANDLERS, encoding="utf-8")
    (tmp_path / "shop/models.py").write_text(MODELS, encoding="utf-8")
    return tmp_path


ITEM = Record("Item")
SIZE = Enumeration("Size", ("small",))


def read(package: Path, name: str, module: str = "shop.handlers") -> CallSignature:
    found = Signatures().of(module, name, (package,), {"Item": ITEM, "Size": SIZE})
    assert found is not None
    return found


def spelt(signature: CallSignature) -> str:
    parts = []
    for p in signature.parameters:
        mark = "/" if p.positional_only else "*" if p.keyword_only else ""
        parts.append(f"{mark}{p.name}: {p.type}{'' if p.required else ' = ...'}")
    if signature.more is not None:
        parts.append(f"*: {signature.more}")
    if signature.more_named is not None:
        parts.append(f"**: {signature.more_named}")
    return f"({', '.join(parts)}) -> {signature.result}"


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        (
            "scalars",
            (
                "(a: str, b: int, c: float, d: bool, e: decimal, f: bytes, g: date, h: datetime,"
                " i: duration) -> json"
            ),
        ),
        (
            "generics",
            (
                "(a: list[int], b: dict[str, decimal], c: str?, d: int?, e: str, f: list[int],"
                " g: int, h: unknown, i: unknown, j: list[str]) -> int"
            ),
        ),
        (
            "kinds",
            "(/a: unknown, b: unknown, *c: unknown, *d: unknown = ..., **: int) -> Hold",
        ),
        ("later", "(*: str) -> Code"),
        ("with_call", "(x: int) -> dict[str, json]"),
        ("with_keyword_call", "(x: int) -> list[json]"),
        ("records", "(item: Item, size: Size) -> list[Item]"),
        ("plain", "() -> json"),
        ("typed", "(*: unknown, **: unknown) -> json"),
        ("engine", "(*: unknown, **: unknown) -> json"),
        ("value", "(*: unknown, **: unknown) -> json"),
        ("Hold", "(*: unknown, **: unknown) -> Hold"),
    ],
)
def test_a_signature_is_read(package: Path, name: str, expected: str) -> None:
    before = set(sys.modules)
    assert spelt(read(package, name)) == expected
    assert set(sys.modules) - before == set()


def fields(type_: object) -> dict[str, str]:
    assert isinstance(type_, Record)
    return {n: f"{f.type}{'' if f.required else ' = ...'}" for n, f in type_.fields.items()}


def test_the_fields_of_a_dataclass_are_known(package: Path) -> None:
    hold = read(package, "kinds").result
    assert fields(hold) == {"id": "int", "home": "Address", "parent": "Hold? = ..."}
    assert isinstance(hold, Record)
    home, parent = hold.fields["home"].type, hold.fields["parent"].type
    assert fields(home) == {"street": "str"}
    assert isinstance(parent, Maybe)
    assert parent.inner is hold


def test_the_fields_of_other_classes_are_known(package: Path) -> None:
    assert fields(read(package, "later").result) == {"code": "str"}
    assert fields(read(package, "derived").result) == {"id": "int", "name": "str = ..."}
    options = read(package, "options").result
    assert fields(options) == {"fast": "bool? = ..."}
    assert isinstance(options, Record)
    assert options.mapping


def test_a_visible_record_is_that_of_the_source(package: Path) -> None:
    signature = read(package, "records")
    assert [p.type for p in signature.parameters] == [ITEM, SIZE]
    assert signature.result == ListOf(ITEM)


def test_a_name_that_is_not_there_is_an_error_with_the_others(package: Path) -> None:
    with pytest.raises(NoSuchName) as caught:
        read(package, "scalar")
    assert "scalars" in caught.value.known


@pytest.mark.parametrize("text", ["from os.path import *\n", "def __getattr__(name): ...\n"])
def test_a_module_that_may_define_more_is_believed(package: Path, text: str) -> None:
    (package / "vague.py").write_text(text, encoding="utf-8")
    assert spelt(read(package, "anything", "vague")) == "(*: unknown, **: unknown) -> json"


def test_a_name_is_followed_through_imports(package: Path) -> None:
    (package / "shop/__init__.py").write_text(
        "from .handlers import scalars as again\nfrom .circle import endless\n", encoding="utf-8"
    )
    (package / "shop/circle.py").write_text("from . import endless\n", encoding="utf-8")
    assert spelt(read(package, "again", "shop")).startswith("(a: str, b: int")
    assert spelt(read(package, "endless", "shop")) == "(*: unknown, **: unknown) -> json"


def test_a_module_that_is_not_there_is_none() -> None:
    assert Signatures().of("no_such_module_at_all", "x", (), {}) is None


@pytest.mark.parametrize("data", [b"def f(:\n", b"\xff\xfe\x00", b"x = '\x00'\n"])
def test_a_module_that_cannot_be_read_says_why(package: Path, data: bytes) -> None:
    (package / "broken.py").write_bytes(data)
    with pytest.raises(UnreadableModule, match=r"broken\.py"):
        read(package, "f", "broken")


def test_compiled_modules_are_believed(package: Path) -> None:
    (package / "fast.abi3.so").touch()
    anything = "(*: unknown, **: unknown) -> json"
    assert [spelt(read(package, "f", module)) for module in ("fast", "math")] == [anything] * 2
