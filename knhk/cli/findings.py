"""What a check of some files finds: the files read, checked and merged into one answer."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from knhk.cli import exits
from knhk.errors import ERROR, Diagnostic, Span

if TYPE_CHECKING:
    from knhk_dsl import Sources
    from knhk_dsl.silencing import Silenced

__all__ = ["Findings", "find", "seen_from_here", "texts_of"]


@dataclass(frozen=True)
class Findings:
    """What was found in some files: what is shown, what comments silence, and the texts of both.

    Places are seen from the working directory. ``sources`` are those of the files that could be
    read.
    """

    files: int
    shown: tuple[Diagnostic, ...]
    silenced: tuple[Silenced, ...]
    texts: Mapping[str, str]
    sources: tuple[Sources, ...]

    @property
    def errors(self) -> int:
        """How many of what is shown are errors."""
        return sum(each.severity == ERROR for each in self.shown)

    @property
    def exit_code(self) -> int:
        """With what the command ends."""
        return exits.USAGE if self.errors else exits.DONE

    def says_the_same_as(self, other: Findings) -> bool:
        """Whether somebody who has seen the other one has nothing new to see here."""
        mine, others = ((each.files, each.shown, each.silenced) for each in (self, other))
        return mine == others

    @property
    def summary(self) -> str:
        """The numbers, in one line."""
        warnings = len(self.shown) - self.errors
        counts = f"{_count(self.errors, 'error')}, {_count(warnings, 'warning')}"
        silenced = f", {len(self.silenced)} silenced" if self.silenced else ""
        return f"{_count(self.files, 'file')} checked: {counts}{silenced}"


def find(files: Iterable[Path], limit_s: float) -> Findings:
    """Check files, each as an entry; what is found twice, as others use it too, is kept once.

    Each workflow is explored for ``limit_s`` seconds at most.
    """
    from knhk.checking import Senders, check
    from knhk.plugins import environment
    from knhk_dsl import Sources
    from knhk_dsl.silencing import silence

    installed = environment()
    found: dict[Diagnostic, None] = {}
    texts: dict[str, str] = {}
    read: dict[str, Sources] = {}
    senders: dict[Path | None, Senders] = {}
    given = tuple(files)
    for file in given:
        try:
            sources = Sources.of_file(file)
        except OSError as error:
            found[_unreadable(file, error)] = None
            continue
        project = senders.setdefault(sources.root, Senders(sources.root))
        diagnostics = check(sources, installed, limit_s=limit_s, senders=project).diagnostics
        found.update(dict.fromkeys(seen_from_here(diagnostics, sources)))
        texts.update(texts_of(sources))
        read[_place(sources.entry, sources.root)] = sources
    shown, silenced = silence(found, texts, judged=read)
    return Findings(len(given), shown, silenced, texts, tuple(read.values()))


def seen_from_here(diagnostics: Iterable[Diagnostic], sources: Sources) -> list[Diagnostic]:
    """The diagnostics with their files named as seen from the working directory."""

    def moved(span: Span) -> Span:
        return replace(span, file=_place(span.file, sources.root))

    return [
        replace(
            each,
            span=moved(each.span),
            related=tuple((moved(span), words) for span, words in each.related),
        )
        for each in diagnostics
    ]


def texts_of(sources: Sources) -> dict[str, str]:
    """The texts of all files of the sources, under the names that :func:`seen_from_here` gives."""
    return {_place(name, sources.root): text for name, text in sources.files.items()}


def _place(file: str, root: Path | None) -> str:
    """Name a file as seen from the working directory, if it lies in it."""
    if root is None:
        return file
    path = root / file
    try:
        return str(path.relative_to(Path.cwd()))
    except ValueError:
        return str(path)


def _unreadable(file: Path, error: OSError) -> Diagnostic:
    why = error.strerror or str(error)
    return Diagnostic("KN201", f"the file cannot be read: {why}", Span(str(file), 1, 1, 1, 1))


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}{'' if number == 1 else 's'}"
