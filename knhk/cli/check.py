"""`knhk check`: every problem of every file, for people or for programs."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

import click

from knhk.cli import exits

if TYPE_CHECKING:
    from knhk.errors import Diagnostic, Span
    from knhk_dsl import Sources


@click.command()
@click.argument("paths", nargs=-1, required=True, metavar="PATH...", type=click.Path(exists=True))
@click.option(
    "--format",
    "form",
    type=click.Choice(["human", "json"]),
    default="human",
    show_default=True,
    help="For people, with the source line and the place underlined, or for programs.",
)
def check(paths: tuple[str, ...], form: str) -> int:
    """Check .knhk files and report every problem.

    A directory stands for the .knhk files in it.

    Exits with 0 if there is no error (warnings are none), else with 2.
    """
    from knhk.errors import ERROR
    from knhk.plugins import environment
    from knhk_dsl import Sources, check_sources
    from knhk_dsl.syntax.render import render_human, render_json

    files = list(_files(paths))
    if not files:
        raise click.UsageError(f"there is no .knhk file in {', '.join(paths)}")
    installed = environment()
    found: dict[Diagnostic, None] = {}  # a file that others use is reported once
    texts: dict[str, str] = {}
    for file in files:
        try:
            sources = Sources.of_file(file)
        except OSError as error:
            found[_unreadable(file, error)] = None
            continue
        diagnostics = check_sources(sources, installed)
        found.update(dict.fromkeys(_from_here(each, sources.root) for each in diagnostics))
        texts.update(_texts(sources))
    if form == "json":
        click.echo(render_json(found))
    elif found:
        click.echo(render_human(found, texts, colour=_colourful(sys.stdout.isatty())), nl=False)
    errors = sum(each.severity == ERROR for each in found)
    summary = (
        _count(len(files), "file"),
        _count(errors, "error"),
        _count(len(found) - errors, "warning"),
    )
    click.echo("{} checked: {}, {}".format(*summary), err=True)
    return exits.USAGE if errors else exits.DONE


def tell(diagnostics: Iterable[Diagnostic], sources: Sources | None = None) -> None:
    """Show diagnostics on stderr, with the source lines where the sources are at hand."""
    from knhk_dsl.syntax.render import render_human

    root = None if sources is None else sources.root
    shown = [_from_here(each, root) for each in diagnostics]
    texts = {} if sources is None else _texts(sources)
    colour = _colourful(sys.stderr.isatty())
    click.echo(render_human(shown, texts, colour=colour), nl=False, err=True)


def _files(paths: Iterable[str]) -> Iterator[Path]:
    """Give the files themselves, and the .knhk files in directories, but in no hidden ones."""
    for name in paths:
        path = Path(name)
        if not path.is_dir():
            yield path
            continue
        for directory, inner, names in os.walk(path):
            inner[:] = sorted(each for each in inner if not each.startswith("."))
            yield from (Path(directory, each) for each in sorted(names) if each.endswith(".knhk"))


def _place(file: str, root: Path | None) -> str:
    """Name a file as seen from the working directory, if it lies in it."""
    if root is None:
        return file
    path = root / file
    try:
        return str(path.relative_to(Path.cwd()))
    except ValueError:
        return str(path)


def _from_here(diagnostic: Diagnostic, root: Path | None) -> Diagnostic:
    from dataclasses import replace

    def moved(span: Span) -> Span:
        return replace(span, file=_place(span.file, root))

    related = tuple((moved(span), words) for span, words in diagnostic.related)
    return replace(diagnostic, span=moved(diagnostic.span), related=related)


def _texts(sources: Sources) -> Mapping[str, str]:
    return {_place(name, sources.root): text for name, text in sources.files.items()}


def _unreadable(file: Path, error: OSError) -> Diagnostic:
    from knhk.errors import Diagnostic, Span

    why = error.strerror or str(error)
    return Diagnostic("KN201", f"the file cannot be read: {why}", Span(str(file), 1, 1, 1, 1))


def _colourful(terminal: bool) -> bool:
    return terminal and not os.environ.get("NO_COLOR")


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}{'' if number == 1 else 's'}"
