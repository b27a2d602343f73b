"""One editor's session: its questions about the open documents, answered as the protocol has it."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final, Protocol

from lsprotocol import types

from knhk.errors import CheckError, Diagnostic, Span
from knhk.lsp.checks import Question, quick_diagnostics
from knhk.lsp.messages import completion_item, diagnostic_of, document_symbols
from knhk.lsp.positions import Encoding, place_of, position_of, range_of
from knhk.lsp.project import Project, View
from knhk_dsl.environment import Environment
from knhk_dsl.format import NotFaithful, format_text
from knhk_dsl.index import (
    Action,
    Definition,
    Edit,
    Index,
    Occurrence,
    RefusedRename,
    actions,
    check_renamable,
    check_renamed,
    complete,
    hover,
    index_of,
    outline,
    rename,
)

__all__ = ["Session"]

_NOWHERE: Final = types.Range(types.Position(0, 0), types.Position(0, 0))


class AtPlace(Protocol):
    """A question about a place of a document."""

    @property
    def text_document(self) -> types.TextDocumentIdentifier: ...

    @property
    def position(self) -> types.Position: ...


class Session:
    """Answers for one editor, which counts characters in units of ``encoding``."""

    def __init__(self, environment: Environment) -> None:
        self.project = Project(environment)
        self.encoding: Encoding = types.PositionEncodingKind.Utf16

    # --- diagnostics ------------------------------------------------------------------------

    def diagnostics(self, uri: str) -> tuple[Diagnostic, ...]:
        """What the compiler finds wrong with a document and the files it uses."""
        view = self.project.view(uri)
        return () if view is None else quick_diagnostics(view.diagnostics, view.sources)

    def question(self, uri: str) -> Question | None:
        """What there is to explore about a document."""
        document = self.project.documents.get(uri)
        if document is None:
            return None
        path = "" if document.path is None else str(document.path)
        return Question(path, document.text, self.project.texts_by_name())

    def by_document(
        self, uri: str, diagnostics: Iterable[Diagnostic]
    ) -> dict[str, list[types.Diagnostic]]:
        """Diagnostics of a document and the files it uses, by URI; each file has a list."""
        view = self.project.view(uri)
        if view is None:
            return {}
        found: dict[str, list[types.Diagnostic]] = {
            self._uri(view, file): [] for file in view.sources.files
        }
        for diagnostic in diagnostics:
            where = self._location(view, diagnostic.span)
            shown = diagnostic_of(diagnostic, lambda span: self._location(view, span))
            found.setdefault(where.uri, []).append(shown)
        return found

    # --- what a name is ---------------------------------------------------------------------

    def hover(self, params: types.HoverParams) -> types.Hover | None:
        """What stands for what, with its type and documentation."""
        view, occurrence = self._occurrence(params)
        if view is None or occurrence is None:
            return None
        content = types.MarkupContent(types.MarkupKind.Markdown, hover(occurrence))
        return types.Hover(content, self._location(view, occurrence.span).range)

    def definition(self, params: types.DefinitionParams) -> types.Location | None:
        """Where a name is defined: in a source, or in Python."""
        view, occurrence = self._occurrence(params)
        if view is None or occurrence is None:
            return None
        definition = occurrence.definition
        if definition.place is not None:
            return self._location(view, definition.place)
        if definition.elsewhere is not None:
            where = definition.elsewhere
            start = types.Position(where.line, where.column)
            return types.Location(where.path.as_uri(), types.Range(start, start))
        return None

    def references(self, params: types.ReferenceParams) -> list[types.Location]:
        """Every place in the project where a name stands for the same."""
        view, occurrence = self._occurrence(params)
        if view is None or occurrence is None:
            return []
        definition = occurrence.definition
        spans = {
            each.span
            for index in self._indexes(view, definition)
            for each in index.of(definition)
            if params.context.include_declaration or not each.defines
        }
        return [self._location(view, span) for span in sorted(spans)]

    def highlights(self, params: types.DocumentHighlightParams) -> list[types.DocumentHighlight]:
        """The same within the document."""
        view, occurrence = self._occurrence(params)
        if view is None or occurrence is None:
            return []
        return [
            types.DocumentHighlight(self._location(view, each.span).range)
            for each in self.project.index(view).of(occurrence.definition)
            if each.span.file == view.file
        ]

    def symbols(self, params: types.DocumentSymbolParams) -> list[types.DocumentSymbol]:
        """What a document defines, as a tree."""
        view = self.project.view(params.text_document.uri)
        if view is None:
            return []
        entries = outline(self.project.index(view), view.file)
        return document_symbols(entries, lambda span: self._location(view, span))

    # --- what could be written --------------------------------------------------------------

    def completion(self, params: types.CompletionParams) -> list[types.CompletionItem]:
        """Names, fields, operations and words of the language that could stand at a place."""
        view = self.project.view(params.text_document.uri)
        if view is None:
            return []
        page = view.page
        offset = page.offset(*place_of(params.position, page.lines, self.encoding))
        memory = self.project.memory(view)
        found = complete(
            page.text, offset, memory, lambda text: self.project.analyse(view.document, text)
        )
        if found is None:
            return []
        start = page.place(found.start)
        begin = position_of(start.line, start.column, page.lines, self.encoding)
        replaced = types.Range(begin, params.position)
        return [completion_item(candidate, replaced) for candidate in found.candidates]

    def formatting(self, params: types.DocumentFormattingParams) -> list[types.TextEdit]:
        """The document in the canonical style; nothing is done to one that cannot be read."""
        view = self.project.view(params.text_document.uri)
        if view is None:
            return []
        try:
            text = format_text(view.document.text, view.file)
        except (CheckError, NotFaithful):
            return []
        if text == view.document.text:
            return []
        end = types.Position(len(view.page.lines), 0)
        return [types.TextEdit(types.Range(types.Position(0, 0), end), text)]

    # --- what could be changed --------------------------------------------------------------

    def rename_range(self, params: types.PrepareRenameParams) -> types.Range | None:
        """The name that would be changed; raises :class:`RefusedRename`."""
        view, occurrence = self._occurrence(params)
        if view is None or occurrence is None:
            return None
        check_renamable(occurrence.definition)
        return self._location(view, occurrence.span).range

    def rename(self, params: types.RenameParams) -> types.WorkspaceEdit | None:
        """Another name for what stands at a place; raises :class:`RefusedRename`."""
        view, occurrence = self._occurrence(params)
        if view is None or occurrence is None:
            return None
        return self._edit(view, self._renamed(view, occurrence.definition, params.new_name))

    def actions(self, params: types.CodeActionParams) -> list[types.CodeAction]:
        """What can be done about the diagnostics in a range."""
        view = self.project.view(params.text_document.uri)
        if view is None:
            return []
        first, last = (
            place_of(position, view.page.lines, self.encoding)
            for position in (params.range.start, params.range.end)
        )
        return [
            made
            for diagnostic in quick_diagnostics(view.diagnostics, view.sources)
            if _touches(diagnostic.span, view.file, first, last)
            for action in actions(diagnostic, view.page)
            if (made := self._action(view, diagnostic, action)) is not None
        ]

    def _action(
        self, view: View, diagnostic: Diagnostic, action: Action
    ) -> types.CodeAction | None:
        edits = action.edits
        if action.renames:
            span = diagnostic.span
            occurrence = self.project.index(view).at(span.file, span.line, span.column)
            if occurrence is None:
                return None
            try:
                edits = self._renamed(view, occurrence.definition, action.renames)
            except RefusedRename:
                return None
        shown = diagnostic_of(diagnostic, lambda span: self._location(view, span), related=False)
        return types.CodeAction(
            title=action.title,
            kind=types.CodeActionKind.QuickFix,
            diagnostics=[shown],
            edit=self._edit(view, edits),
        )

    def _renamed(self, view: View, definition: Definition, name: str) -> tuple[Edit, ...]:
        check_renamable(definition)
        assert definition.place is not None
        file = definition.place.file
        edits = rename(definition, name, self.project.indexes(view, file))
        before = list(self.project.before(view, file))
        for first, second in zip(before, self.project.after(view, file, edits), strict=True):
            check_renamed(
                (first.diagnostics, index_of(first), first.scopes),
                (second.diagnostics, index_of(second), second.scopes),
                definition,
                name,
            )
        return edits

    # --- places -----------------------------------------------------------------------------

    def _occurrence(self, params: AtPlace) -> tuple[View | None, Occurrence | None]:
        view = self.project.view(params.text_document.uri)
        if view is None:
            return None, None
        line, column = place_of(params.position, view.page.lines, self.encoding)
        return view, self.project.index(view).at(view.file, line, column)

    def _indexes(self, view: View, definition: Definition) -> Iterable[Index]:
        file = view.file if definition.place is None else definition.place.file
        return self.project.indexes(view, file)

    def _uri(self, view: View, file: str) -> str:
        if file == view.file or view.root is None:
            return view.document.uri
        return self.project.uri_of(view.root / file)

    def _location(self, view: View, span: Span) -> types.Location:
        page = self.project.page(view, span.file)
        where = _NOWHERE if page is None else range_of(span, page.lines, self.encoding)
        return types.Location(self._uri(view, span.file), where)

    def _edit(self, view: View, edits: Iterable[Edit]) -> types.WorkspaceEdit:
        changes: dict[str, list[types.TextEdit]] = {}
        for edit in edits:
            where = self._location(view, edit.span)
            changes.setdefault(where.uri, []).append(types.TextEdit(where.range, edit.text))
        return types.WorkspaceEdit(changes=changes)


def _touches(span: Span, file: str, first: tuple[int, int], last: tuple[int, int]) -> bool:
    begins, ends = (span.line, span.column), (span.end_line, span.end_column)
    return span.file == file and begins <= last and first <= ends
