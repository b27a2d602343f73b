"""`knhk fmt`: every file in the one style."""

from __future__ import annotations

import difflib
import sys
from collections import Counter
from dataclasses import dataclass
from enum import Enum, auto
from io import BytesIO
from pathlib import Path
from typing import Final

import click

from knhk.cli import exits
from knhk.cli.files import knhk_files, read_bytes, replace_bytes
from knhk.cli.terminal import colourful, printable

#: The path that stands for stdin and stdout.
DASH: Final = "-"


class Outcome(Enum):
    """What became of a file."""

    KEPT = auto()
    CHANGED = auto()
    UNREADABLE = auto()
    FAILED = auto()


@dataclass(frozen=True, slots=True)
class Wish:
    """What is to be done with a file that is not in the style; without either it is written."""

    check: bool
    diff: bool


@click.command()
@click.argument(
    "paths",
    nargs=-1,
    required=True,
    metavar="PATH...",
    type=click.Path(exists=True, allow_dash=True),
)
@click.option("--check", is_flag=True, help="Write nothing; name the files that would change.")
@click.option("--diff", is_flag=True, help="Write nothing; show what would change.")
def fmt(paths: tuple[str, ...], *, check: bool, diff: bool) -> int:
    """Format .knhk files.

    A directory stands for the .knhk files in it; - reads stdin and writes to stdout.
    There is one style and nothing to set. Formatting changes no meaning and keeps all comments.

    Exits with 0 when all is done, with 1 if --check names a file or a file cannot be opened or
    written, and with 2 if a file has a syntax error. Such a file is left as it is.
    """
    wish = Wish(check, diff)
    if DASH in paths:
        if len(paths) > 1:
            raise click.UsageError("- stands alone: files and stdin cannot be mixed")
        return _exit(Counter([_stdin(wish)]), wish)
    files = dict.fromkeys(knhk_files(paths))
    if not files:
        raise click.UsageError(f"there is no .knhk file in {', '.join(paths)}")
    outcomes = Counter(_file(file, wish) for file in files)
    click.echo(_summary(outcomes, wish), err=True)
    return _exit(outcomes, wish)


def _file(file: Path, wish: Wish) -> Outcome:
    from knhk_dsl.syntax.parse import SOURCE_BYTES_MAX

    name = str(file)
    try:
        data = read_bytes(file, SOURCE_BYTES_MAX)
    except OSError as error:
        return _failed(name, error.strerror or str(error))
    formatted = _formatted(name, data)
    if isinstance(formatted, Outcome):
        return formatted
    if formatted == data:
        return Outcome.KEPT
    if wish.diff:
        _show_difference(name, data, formatted)
    elif wish.check:
        click.echo(name)
    else:
        try:
            replace_bytes(file, formatted)
        except OSError as error:
            return _failed(name, error.strerror or str(error))
        click.echo(f"formatted {name}", err=True)
    return Outcome.CHANGED


def _stdin(wish: Wish) -> Outcome:
    from knhk_dsl.syntax.parse import SOURCE_BYTES_MAX

    data = sys.stdin.buffer.read(SOURCE_BYTES_MAX + 1)
    formatted = _formatted("<stdin>", data)
    if isinstance(formatted, Outcome):
        return formatted
    if wish.diff:
        _show_difference("<stdin>", data, formatted)
    elif not wish.check:
        click.echo(formatted, nl=False)
    return Outcome.KEPT if formatted == data else Outcome.CHANGED


def _formatted(name: str, data: bytes) -> bytes | Outcome:
    """The formatted source; or what became of it, which is told."""
    from knhk.errors import CheckError
    from knhk_dsl.format import NotFaithful, format_text
    from knhk_dsl.rendering.human import render_human

    try:
        return format_text(data, name).encode()
    except CheckError as error:
        texts = {name: data.decode("utf-8", "replace")}
        told = render_human(error.diagnostics, texts, colour=colourful(sys.stderr))
        click.echo(printable(told, sys.stderr), nl=False, err=True)
        return Outcome.UNREADABLE
    except NotFaithful as error:
        return _failed(name, f"internal error: {error}")


def _failed(name: str, why: str) -> Outcome:
    click.echo(f"knhk: {name}: {why}", err=True)
    return Outcome.FAILED


def _show_difference(name: str, before: bytes, after: bytes) -> None:
    """Print a unified diff, as bytes: it is the files' text, whatever the terminal can show."""
    lines = difflib.diff_bytes(
        difflib.unified_diff,
        BytesIO(before).readlines(),
        BytesIO(after).readlines(),
        name.encode(),
        name.encode(),
    )
    for line in lines:
        end = b"" if line.endswith(b"\n") else b"\n\\ No newline at end of file\n"
        click.echo(line + end, nl=False)


def _summary(outcomes: Counter[Outcome], wish: Wish) -> str:
    """The numbers, in one line."""
    done = "would be formatted" if wish.check or wish.diff else "formatted"
    words = {
        Outcome.CHANGED: done,
        Outcome.KEPT: "left alone",
        Outcome.UNREADABLE: "with syntax errors",
        Outcome.FAILED: "not done",
    }
    return ", ".join(
        f"{outcomes[each]} file{'' if outcomes[each] == 1 else 's'} {word}"
        for each, word in words.items()
        if outcomes[each]
    )


def _exit(outcomes: Counter[Outcome], wish: Wish) -> int:
    if outcomes[Outcome.UNREADABLE]:
        return exits.USAGE
    unwanted = outcomes[Outcome.CHANGED] if wish.check else 0
    return exits.FAILED if outcomes[Outcome.FAILED] + unwanted else exits.DONE
