"""The documents that are open in an editor, over the files on disk, and what is known of them."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final
from urllib.parse import unquote

from pygls.uris import to_fs_path

from knhk.errors import Diagnostic
from knhk_dsl.check.known import Known
from knhk_dsl.compilation import Analysis, analyse, check_again
from knhk_dsl.environment import Environment
from knhk_dsl.index import Edit, Index, Page, applied, index_of
from knhk_dsl.sources import Readings, Sources, UnreadableSource, find_root
from knhk_dsl.syntax import ast
from knhk_dsl.syntax.memory import Memory

__all__ = ["Document", "Project"]

#: Files of a project that are searched for uses of a name.
FILES_MAX: Final = 2_000


@dataclass(frozen=True)
class Document:
    """A source in an editor: ``path`` is where its file really lies, if it is in a file."""

    uri: str
    path: Path | None
    text: str
    version: int | None = None


class View:
    """A document with what checks find out about it, each when it is asked for.

    ``page`` is the text as the parser reads it.
    """

    def __init__(self, document: Document, sources: Sources, known: Known) -> None:
        self.document: Final = document
        self.sources: Final = sources
        self.page: Final = Page(sources.entry, document.text)
        self._known = known
        self._analysis: Analysis | None = None
        self._diagnostics: tuple[Diagnostic, ...] | None = None

    @property
    def file(self) -> str:
        """The name of the document in its project."""
        return self.sources.entry

    @property
    def root(self) -> Path | None:
        """The root of its project."""
        return self.sources.root

    @property
    def diagnostics(self) -> tuple[Diagnostic, ...]:
        """What is wrong with it and the files it uses, whatever that takes least time."""
        if self._analysis is not None:
            return self._analysis.diagnostics
        if self._diagnostics is None:
            self._diagnostics = check_again(self.sources, self._known)
        return self._diagnostics

    @property
    def analysis(self) -> Analysis:
        """All that there is to be found out about it."""
        if self._analysis is None:
            self._analysis = analyse(self.sources, self._known.environment)
        return self._analysis


class Project:
    """The open documents, by URI. Whatever changes makes all that was found out stale."""

    def __init__(self, environment: Environment) -> None:
        self.environment = environment
        self.documents: dict[str, Document] = {}
        self._readings: dict[Path | None, Readings] = {}
        self._known: dict[Path, Known] = {}
        self._views: dict[str, View] = {}
        self._indexes: dict[Path | str, Index] = {}

    # --- documents --------------------------------------------------------------------------

    def put(self, uri: str, text: str, version: int | None) -> None:
        """A document was opened or changed."""
        self.documents[uri] = Document(uri, path_of(uri), text, version)
        self.forget()

    def close(self, uri: str) -> None:
        """A document was closed; its file counts again."""
        self.documents.pop(uri, None)
        self.forget()

    def forget(self) -> None:
        """Something has changed, perhaps on disk."""
        self._views.clear()
        self._indexes.clear()

    def uri_of(self, path: Path) -> str:
        """The URI of a file: as the editor wrote it, if it is open."""
        for document in self.documents.values():
            if document.path == path:
                return document.uri
        return path.as_uri()

    def texts_by_name(self) -> dict[str, str]:
        """The texts of the open documents that are in files."""
        return {str(path): text for path, text in self._texts().items()}

    def _texts(self) -> dict[Path, str]:
        return {
            document.path: document.text
            for document in self.documents.values()
            if document.path is not None
        }

    # --- what is known of them --------------------------------------------------------------

    def view(self, uri: str) -> View | None:
        """A document that is open, checked."""
        document = self.documents.get(uri)
        if document is None:
            return None
        if uri not in self._views:
            sources = self._sources(document, document.text)
            self._views[uri] = View(document, sources, self._known_of(sources.root))
        return self._views[uri]

    def analyse(self, document: Document, text: str) -> Analysis:
        """A document checked with this text."""
        return analyse(self._sources(document, text), self.environment)

    def _sources(self, document: Document, text: str) -> Sources:
        if document.path is None:
            return Sources.of_text(text)
        return self._sources_of(document.path, {**self._texts(), document.path: text})

    def _sources_of(self, path: Path, texts: Mapping[Path, str]) -> Sources:
        return Sources.of_editor(path, texts, self._readings_of(find_root(path.parent)))

    def _known_of(self, root: Path | None) -> Known:
        """What is known of the files of a project; of what is in no file, nothing is kept."""
        if root is None:
            return Known(self.environment)
        if root not in self._known:
            self._known[root] = Known(self.environment)
        return self._known[root]

    def _readings_of(self, root: Path | None) -> Readings:
        if root not in self._readings:
            self._readings[root] = Readings()
        return self._readings[root]

    def memory(self, view: View) -> Memory:
        """What was kept of the text of a document."""
        return self._readings_of(view.root).memory(view.file)

    def index(self, view: View) -> Index:
        """The index of a document and of the files it uses."""
        key = view.document.path or view.document.uri
        if key not in self._indexes:
            self._indexes[key] = index_of(view.analysis)
        return self._indexes[key]

    # --- across files -----------------------------------------------------------------------

    def indexes(self, view: View, file: str) -> Iterator[Index]:
        """The indexes of all files of a document's project that use a file, its own too."""
        yield self.index(view)
        for path in self._users(view, file):
            if path not in self._indexes:
                try:
                    sources = self._sources_of(path, self._texts())
                except OSError:
                    continue  # it was there a moment ago
                self._indexes[path] = index_of(analyse(sources, self.environment))
            yield self._indexes[path]

    def after(self, view: View, file: str, edits: Iterable[Edit]) -> Iterator[Analysis]:
        """What a check would find in these files after some edits."""
        if view.root is None:
            yield self.analyse(view.document, applied(view.page.text, edits))
            return
        texts = self._texts()
        by_file: dict[str, list[Edit]] = {}
        for edit in edits:
            by_file.setdefault(edit.span.file, []).append(edit)
        for name, here in by_file.items():
            page = self.page(view, name)
            if page is not None:
                texts[view.root / name] = applied(page.text, here)
        for path in sorted({self._path(view), *self._users(view, file)}):
            yield analyse(self._sources_of(path, texts), self.environment)

    def before(self, view: View, file: str) -> Iterator[Analysis]:
        """What a check finds in the files that :meth:`after` looks at."""
        return self.after(view, file, ())

    def page(self, view: View, file: str) -> Page | None:
        """The text of a file of a document's project; ``None`` if it cannot be read."""
        if file == view.file:
            return view.page
        if view.sources.has_read(file):
            return Page(file, view.sources.text(file))
        if view.root is None:
            return None
        path = view.root / file
        text = self._texts().get(path)
        try:
            return Page(file, path.read_text(encoding="utf-8") if text is None else text)
        except (OSError, UnicodeDecodeError):
            return None

    def _path(self, view: View) -> Path:
        assert view.document.path is not None
        return view.document.path

    def _users(self, view: View, file: str) -> list[Path]:
        """The files that use another, at first or second hand, and the file itself."""
        if view.root is None:
            return []
        used_by: dict[str, set[str]] = {}
        for name, uses in self._uses(view.root):
            for used in uses:
                used_by.setdefault(used, set()).add(name)
        found, pending = {file}, [file]
        while pending:
            new = used_by.get(pending.pop(), set()) - found
            found |= new
            pending.extend(new)
        return [view.root / name for name in sorted(found)]

    def _uses(self, root: Path) -> Iterator[tuple[str, set[str]]]:
        """Every file of a project, with the names of those that it uses."""
        readings, texts = self._readings_of(root), self._texts()
        for path in _files(root):
            try:
                sources = Sources.of_editor(path, texts, readings)
            except (OSError, ValueError):
                continue  # gone, or of another project inside this one
            if sources.root == root:
                yield sources.entry, set(_used(sources))


def _used(sources: Sources) -> Iterator[str]:
    for declaration in sources.open_entry().tree.declarations:
        if isinstance(declaration, ast.UseFile):
            try:
                yield sources.resolve(sources.entry, declaration.path)
            except UnreadableSource:
                continue


def _files(root: Path) -> Iterator[Path]:
    """The .knhk files of a project that are really in it, in no hidden directory."""
    count = 0
    for directory, inner, names in os.walk(root):
        inner[:] = sorted(name for name in inner if not name.startswith("."))
        for name in sorted(names):
            path = Path(directory, name)
            if name.endswith(".knhk") and not path.is_symlink():
                yield path
                count += 1
                if count == FILES_MAX:
                    return


def path_of(uri: str) -> Path | None:
    """Where the file of a URI really lies; ``None`` for a document that is in no file."""
    name = to_fs_path(unquote(uri)) if uri.startswith("file:") else None
    return None if not name else Path(os.path.realpath(name))
