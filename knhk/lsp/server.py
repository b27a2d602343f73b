"""The server: which question of the protocol goes where, and when diagnostics are told.

An edit makes all diagnostics stale. They are found anew when no further edit has come for a
moment, the changed document first, and told as soon as they are there; between two documents the
server listens, and begins again if there was another edit. What only the exploration of the nets
finds comes later, if nothing has changed until then.
"""

from __future__ import annotations

import asyncio
import gc
import logging
from collections.abc import Iterable
from typing import Final

from lsprotocol import types
from pygls.exceptions import JsonRpcException
from pygls.lsp.server import LanguageServer

from knhk import __version__
from knhk.errors import Diagnostic
from knhk.lsp.checks import explored
from knhk.lsp.session import Session
from knhk.plugins import environment
from knhk_dsl.environment import Environment
from knhk_dsl.index import RefusedRename

__all__ = ["Server", "serve"]

#: Seconds without an edit after which diagnostics are found, and after which nets are explored.
PAUSE_S: Final = 0.01
LONG_PAUSE_S: Final = 0.4


class Server(LanguageServer):
    """A server for one editor."""

    def __init__(self, surroundings: Environment) -> None:
        # Whole texts, as positions inside a text mean different things to different editors.
        super().__init__(
            "knhk", __version__, text_document_sync_kind=types.TextDocumentSyncKind.Full
        )
        self.session = Session(surroundings)
        self.explores = True
        self._checking: asyncio.Task[None] | None = None
        self._told: dict[str, set[str]] = {}

    def changed(self, first: str) -> None:
        """Something changed: find all diagnostics anew, those of one document first."""
        if self._checking is not None:
            self._checking.cancel()
        documents = self.session.project.documents
        uris = [first, *(uri for uri in documents if uri != first)]
        self._checking = asyncio.get_running_loop().create_task(self._check(uris))

    async def _check(self, uris: Iterable[str]) -> None:
        await asyncio.sleep(PAUSE_S)
        quick: dict[str, tuple[Diagnostic, ...]] = {}
        for uri in uris:
            quick[uri] = self.session.diagnostics(uri)
            self._tell(uri, quick[uri])
            await asyncio.sleep(0)
        gc.collect()
        if self.explores:
            await asyncio.sleep(LONG_PAUSE_S)
            for uri, known in quick.items():
                await self._explore(uri, known)

    async def _explore(self, uri: str, known: tuple[Diagnostic, ...]) -> None:
        """Tell what exploring the nets adds to what is known of a document."""
        question = self.session.question(uri)
        found = None if question is None else await explored(question)
        if found is not None and found != known:
            self._tell(uri, found)

    def _tell(self, uri: str, diagnostics: Iterable[Diagnostic]) -> None:
        """Publish what is wrong with a document, and with files it uses that are not open."""
        documents = self.session.project.documents
        by_document = self.session.by_document(uri, diagnostics)
        found = {each: told for each, told in by_document.items() if each not in documents}
        if uri in by_document:
            found[uri] = by_document[uri]
        gone = self._told.get(uri, set()) - set(found)
        self._told[uri] = set(found)
        others = {each for by, told in self._told.items() if by != uri for each in told}
        for each in sorted(gone - others):
            self._publish(each, [])
        for each, shown in found.items():
            self._publish(each, shown)

    def _publish(self, uri: str, diagnostics: list[types.Diagnostic]) -> None:
        document = self.session.project.documents.get(uri)
        version = None if document is None else document.version
        self.text_document_publish_diagnostics(
            types.PublishDiagnosticsParams(uri, diagnostics, version)
        )


class Refusal(JsonRpcException):
    """The answer that something is refused, and why (``RequestFailed`` of the protocol)."""

    CODE = -32803


def serve() -> None:
    """Serve an editor over stdin and stdout until it leaves."""
    logging.getLogger("pygls.protocol.json_rpc").addFilter(_is_worth_a_traceback)
    server = make_server(environment())
    # Garbage is collected after diagnostics are told, so that nobody waits for it.
    gc.disable()
    gc.freeze()
    server.start_io()


def _is_worth_a_traceback(record: logging.LogRecord) -> bool:
    """A refusal is an answer like any other."""
    return record.exc_info is None or not isinstance(record.exc_info[1], Refusal)


def make_server(surroundings: Environment) -> Server:
    """A server that answers every question."""
    server = Server(surroundings)
    _follow_documents(server)
    _answer_names(server)
    _answer_changes(server)
    return server


def _follow_documents(server: Server) -> None:
    project = server.session.project

    @server.feature(types.INITIALIZE)
    def initialize(params: types.InitializeParams) -> None:
        options = params.initialization_options
        server.explores = not isinstance(options, dict) or options.get("explore") is not False
        agreed = server.workspace.position_encoding
        server.session.encoding = agreed or types.PositionEncodingKind.Utf16

    @server.feature(types.TEXT_DOCUMENT_DID_OPEN)
    def opened(params: types.DidOpenTextDocumentParams) -> None:
        document = params.text_document
        project.put(document.uri, document.text, document.version)
        server.changed(document.uri)

    @server.feature(types.TEXT_DOCUMENT_DID_CHANGE)
    def changed(params: types.DidChangeTextDocumentParams) -> None:
        uri = params.text_document.uri
        if params.content_changes:
            project.put(uri, params.content_changes[-1].text, params.text_document.version)
            server.changed(uri)

    @server.feature(types.TEXT_DOCUMENT_DID_SAVE)
    def saved(params: types.DidSaveTextDocumentParams) -> None:
        project.forget()
        server.changed(params.text_document.uri)

    @server.feature(types.TEXT_DOCUMENT_DID_CLOSE)
    def closed(params: types.DidCloseTextDocumentParams) -> None:
        project.close(params.text_document.uri)
        server.changed(params.text_document.uri)

    @server.feature(types.WORKSPACE_DID_CHANGE_WATCHED_FILES)
    def changed_on_disk(params: types.DidChangeWatchedFilesParams) -> None:
        project.forget()
        for event in params.changes[:1]:
            server.changed(event.uri)


def _answer_names(server: Server) -> None:
    session = server.session

    @server.feature(types.TEXT_DOCUMENT_HOVER)
    def hover(params: types.HoverParams) -> types.Hover | None:
        return session.hover(params)

    @server.feature(types.TEXT_DOCUMENT_DEFINITION)
    def definition(params: types.DefinitionParams) -> types.Location | None:
        return session.definition(params)

    @server.feature(types.TEXT_DOCUMENT_REFERENCES)
    def references(params: types.ReferenceParams) -> list[types.Location]:
        return session.references(params)

    @server.feature(types.TEXT_DOCUMENT_DOCUMENT_HIGHLIGHT)
    def highlights(params: types.DocumentHighlightParams) -> list[types.DocumentHighlight]:
        return session.highlights(params)

    @server.feature(types.TEXT_DOCUMENT_DOCUMENT_SYMBOL)
    def symbols(params: types.DocumentSymbolParams) -> list[types.DocumentSymbol]:
        return session.symbols(params)


def _answer_changes(server: Server) -> None:
    session = server.session

    @server.feature(
        types.TEXT_DOCUMENT_COMPLETION, types.CompletionOptions(trigger_characters=["."])
    )
    def completion(params: types.CompletionParams) -> list[types.CompletionItem]:
        return session.completion(params)

    @server.feature(types.TEXT_DOCUMENT_FORMATTING)
    def formatting(params: types.DocumentFormattingParams) -> list[types.TextEdit]:
        return session.formatting(params)

    @server.feature(types.TEXT_DOCUMENT_PREPARE_RENAME)
    def prepare_rename(params: types.PrepareRenameParams) -> types.Range | None:
        try:
            return session.rename_range(params)
        except RefusedRename as refused:
            raise Refusal(str(refused)) from None

    @server.feature(types.TEXT_DOCUMENT_RENAME, types.RenameOptions(prepare_provider=True))
    def rename(params: types.RenameParams) -> types.WorkspaceEdit | None:
        try:
            return session.rename(params)
        except RefusedRename as refused:
            raise Refusal(str(refused)) from None

    @server.feature(
        types.TEXT_DOCUMENT_CODE_ACTION,
        types.CodeActionOptions(code_action_kinds=[types.CodeActionKind.QuickFix]),
    )
    def actions(params: types.CodeActionParams) -> list[types.CodeAction]:
        return session.actions(params)
