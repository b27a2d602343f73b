"""Compilations of several files: what is read, what is reported where, what comes out."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from knhk.errors import CheckError, Diagnostic
from knhk_dsl import Compilation, Sources, check_sources, compile_sources
from tests.dsl.check.environment import ENVIRONMENT

TYPES = """\
enum Size: small, large

record Item
    price: decimal
    size: Size = Size.small

workflow pack(item: Item) -> decimal
    task a
    flow
        start -> a -> end
    return item.price
"""
ORDER = """\
from "parts/types.knhk" use Item, pack

workflow order(items: list[Item])
    task a = log("{len(items)}")
    flow
        start -> a -> end
"""


@pytest.fixture
def root(tmp_path: Path) -> Path:
    (tmp_path / "knhk.toml").touch()
    (tmp_path / "parts").mkdir()
    (tmp_path / "parts" / "types.knhk").write_text(TYPES)
    (tmp_path / "order.knhk").write_text(ORDER)
    return tmp_path


def compiled(root: Path, entry: str = "order.knhk") -> Compilation:
    return compile_sources(Sources.of_file(root / entry), ENVIRONMENT)


def checked(root: Path, entry: str = "order.knhk") -> tuple[Diagnostic, ...]:
    return check_sources(Sources.of_file(root / entry), ENVIRONMENT)


def places(diagnostics: tuple[Diagnostic, ...]) -> list[str]:
    return [f"{each.span.file}:{each.span.line} {each.code}" for each in diagnostics]


def test_a_compilation_holds_the_workflows_of_the_entry_and_those_it_uses(root: Path) -> None:
    compilation = compiled(root)

    assert ["order", "pack"] == sorted(compilation.nets)
    assert ["Item"] == list(compilation.records)
    assert ("order.knhk", root.resolve()) == (compilation.entry, compilation.root)
    assert () == compilation.diagnostics


def test_a_compilation_keeps_every_source_by_its_path_below_the_root(root: Path) -> None:
    assert {"order.knhk": ORDER, "parts/types.knhk": TYPES} == compiled(root).files


def test_what_was_kept_compiles_to_the_same_again_without_the_files(root: Path) -> None:
    first = compiled(root)
    (root / "order.knhk").unlink()
    (root / "parts" / "types.knhk").unlink()

    again = compile_sources(Sources.of_bundle(first.files, first.entry, first.root), ENVIRONMENT)

    assert (first.nets, first.digest, first.files) == (again.nets, again.digest, again.files)


def test_the_digest_changes_with_every_file(root: Path) -> None:
    first = compiled(root).digest
    (root / "parts" / "types.knhk").write_text(TYPES + "\n# changed\n")

    assert first != compiled(root).digest


def test_the_digest_tells_the_entry(root: Path) -> None:
    files = {"a.knhk": TYPES, "b.knhk": TYPES + "\n"}
    digests = {
        compile_sources(Sources.of_bundle(files, entry), ENVIRONMENT).digest for entry in files
    }

    assert 2 == len(digests)


def test_problems_of_a_used_file_are_reported_in_that_file_and_once(root: Path) -> None:
    (root / "parts" / "types.knhk").write_text(
        TYPES.replace("decimal\n    size", "money\n    size")
    )
    (root / "other.knhk").write_text(
        'from "parts/types.knhk" use Item\nrecord Other\n    x: Item\n'
    )
    (root / "order.knhk").write_text('from "other.knhk" use Other\n' + ORDER + "    return Other\n")

    assert ["order.knhk:8 KN215", "parts/types.knhk:4 KN214"] == places(checked(root))


def test_a_check_error_holds_everything_that_was_found_warnings_too(root: Path) -> None:
    source = ORDER.replace("items:", "Items:").replace("len(items)", "len(itms)")
    (root / "order.knhk").write_text(source)

    with pytest.raises(CheckError) as caught:
        compiled(root)

    assert ["order.knhk:3 KN213", "order.knhk:4 KN205"] == places(caught.value.diagnostics)
    assert checked(root) == caught.value.diagnostics


def test_warnings_do_not_keep_a_workflow_from_being_compiled(root: Path) -> None:
    (root / "order.knhk").write_text(ORDER.replace("workflow order", "workflow Order"))

    compilation = compiled(root)

    assert ["order.knhk:3 KN213"] == places(compilation.diagnostics)
    assert ["Order", "pack"] == sorted(compilation.nets)


def test_the_names_of_a_file_that_cannot_be_read_are_unknown_and_silent(root: Path) -> None:
    (root / "parts" / "types.knhk").unlink()
    (root / "order.knhk").write_text(ORDER.replace("len(items)", "items[0].price.x"))

    assert ["order.knhk:1 KN201"] == places(checked(root))


def test_a_file_with_syntax_errors_still_defines_what_could_be_read(root: Path) -> None:
    (root / "parts" / "types.knhk").write_text(TYPES + "\nrecrd Lost\n    x: int\n")

    assert ["parts/types.knhk:13 KN111"] == places(checked(root))


def test_a_link_out_of_the_project_is_not_followed(
    root: Path, tmp_path_factory: pytest.TempPathFactory
) -> None:
    outside = tmp_path_factory.mktemp("outside") / "types.knhk"
    outside.write_text(TYPES)
    (root / "parts" / "types.knhk").unlink()
    (root / "parts" / "types.knhk").symlink_to(outside)

    assert ["order.knhk:1 KN202"] == places(checked(root))


@pytest.mark.parametrize("content", [b"def f(:\n", b"\xff\xfe\x00", b"x = '\0'\n"])
def test_a_python_module_that_cannot_be_read_is_a_warning(root: Path, content: bytes) -> None:
    (root / "broken.py").write_bytes(content)
    source = ORDER.replace("\n\nworkflow", "\nfrom broken use f\n\nworkflow")
    (root / "order.knhk").write_text(source.replace("log(", "f("))

    assert ["order.knhk:2 KN211"] == places(checked(root))


def test_python_is_read_and_never_run(root: Path) -> None:
    (root / "handlers.py").write_text("raise SystemExit\ndef f(x: int) -> str: ...\n")
    source = ORDER.replace("\n\nworkflow", "\nfrom handlers use f\n\nworkflow")
    (root / "order.knhk").write_text(source.replace("log(", "f("))

    assert ["order.knhk:5 KN308"] == places(checked(root))
    assert "handlers" not in sys.modules


def test_text_without_a_root_uses_no_files() -> None:
    diagnostics = check_sources(Sources.of_text(ORDER), ENVIRONMENT)

    assert ["workflow.knhk:1 KN201"] == places(diagnostics)


def test_text_with_a_root_uses_the_files_below_it(root: Path) -> None:
    assert () == check_sources(Sources.of_text(ORDER, root), ENVIRONMENT)
