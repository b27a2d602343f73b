"""What is checked for an editor: the one place that says what its diagnostics are.

The compiler's passes answer at once. Exploring the nets may take seconds, so it is done in a
process of its own (``python -m knhk.lsp.checks``): it takes no time from the answers of the
server, and is ended when an edit has made it stale.
"""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path

import msgspec

from knhk.errors import Diagnostic
from knhk_dsl.silencing import silence
from knhk_dsl.sources import Readings, Sources

__all__ = ["Question", "explored", "quick_diagnostics"]


def quick_diagnostics(found: tuple[Diagnostic, ...], sources: Sources) -> tuple[Diagnostic, ...]:
    """What is to be told of what the compiler finds wrong with a document and the files it uses.

    Comments of the files that it uses are judged where these are checked themselves.
    """
    return _shown(found, sources, explored=False)


class Question(msgspec.Struct, frozen=True):
    """What is to be explored: a document with its text, and the other texts that are open.

    ``path`` is empty for a document that is in no file.
    """

    path: str
    text: str
    texts: dict[str, str]

    def sources(self) -> Sources:
        """The sources as the editor has them."""
        if not self.path:
            return Sources.of_text(self.text)
        path = Path(self.path)
        texts = {Path(name): text for name, text in self.texts.items()}
        return Sources.of_editor(path, {**texts, path: self.text}, Readings())


async def explored(question: Question) -> tuple[Diagnostic, ...] | None:
    """What a whole check finds, its nets explored; ``None`` if that came to nothing.

    When this is cancelled, so is the work.
    """
    try:
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-P", "-m", __name__),
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
        )
    except OSError:
        return None
    try:
        told, _ = await process.communicate(msgspec.json.encode(question))
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
    return None if process.returncode else msgspec.json.decode(told, type=tuple[Diagnostic, ...])


def answer(question: Question) -> tuple[Diagnostic, ...]:
    """The whole check."""
    from knhk.checking import check
    from knhk.plugins import environment

    sources = question.sources()
    return _shown(check(sources, environment()).diagnostics, sources, explored=True)


def _shown(
    diagnostics: tuple[Diagnostic, ...], sources: Sources, *, explored: bool
) -> tuple[Diagnostic, ...]:
    shown, _ = silence(diagnostics, sources.files, explored=explored, judged=(sources.entry,))
    return shown


if __name__ == "__main__":
    asked = msgspec.json.decode(sys.stdin.buffer.read(), type=Question)
    sys.stdout.buffer.write(msgspec.json.encode(answer(asked)))
