"""A real server, started as an editor starts it, and a client that drives it."""

from __future__ import annotations

import asyncio
import os
import sys
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path

import pytest
import pytest_lsp
from lsprotocol import types
from pygls.protocol import default_converter
from pytest_lsp import ClientServerConfig, LanguageClient, client_capabilities
from pytest_lsp.client import DEFAULT_CLIENT_FEATURES, register_lsp_features

from tests.dsl.index.sources import project


class Listener(LanguageClient):
    """A client that keeps all diagnostics it was told, in order."""

    def __init__(self) -> None:
        super().__init__(converter_factory=default_converter)
        self.told: list[types.PublishDiagnosticsParams] = []
        self.news = asyncio.Event()
        note = {types.TEXT_DOCUMENT_PUBLISH_DIAGNOSTICS: keep}
        register_lsp_features(self, {**DEFAULT_CLIENT_FEATURES, **note})


def keep(client: Listener, params: types.PublishDiagnosticsParams) -> None:
    client.told.append(params)
    client.news.set()


@dataclass
class Editor:
    """What an editor does: it opens documents, changes them, and asks."""

    client: Listener
    directory: Path

    def uri(self, name: str) -> str:
        return (self.directory / name).as_uri()

    def document(self, name: str) -> types.TextDocumentIdentifier:
        return types.TextDocumentIdentifier(self.uri(name))

    async def open(self, name: str, text: str | None = None) -> list[types.Diagnostic]:
        """Open a document, with its text on disk or another, and wait for what is told of it."""
        path = self.directory / name
        shown = path.read_text(encoding="utf-8") if text is None else text
        item = types.TextDocumentItem(self.uri(name), "knhk", 1, shown)
        self.client.text_document_did_open(types.DidOpenTextDocumentParams(item))
        return await self.told(name, 1)

    async def change(self, name: str, text: str, version: int) -> list[types.Diagnostic]:
        """Change a document, and wait for what is told of it."""
        self.change_only(name, text, version)
        return await self.told(name, version)

    def change_only(self, name: str, text: str, version: int) -> None:
        self.client.text_document_did_change(
            types.DidChangeTextDocumentParams(
                types.VersionedTextDocumentIdentifier(uri=self.uri(name), version=version),
                [types.TextDocumentContentChangeWholeDocument(text)],
            )
        )

    async def told(self, name: str, version: int | None) -> list[types.Diagnostic]:
        """The next diagnostics of this version of a document; those of others are passed over."""
        while True:
            for params in self.client.told:
                if params.uri == self.uri(name) and params.version == version:
                    self.client.told.remove(params)
                    return list(params.diagnostics)
            self.client.news.clear()
            await self.client.news.wait()

    def at(self, text: str, before: str) -> types.Position:
        """The place behind some words of a text, in units of UTF-16."""
        offset = text.index(before) + len(before)
        line = text.count("\n", 0, offset)
        start = text.rfind("\n", 0, offset) + 1
        return types.Position(line, len(text[start:offset].encode("utf-16-le")) // 2)


@pytest_lsp.fixture(
    config=ClientServerConfig(
        server_command=[sys.executable, "-m", "knhk", "lsp"],
        client_factory=Listener,
        server_env=dict(os.environ),
    )
)
async def client(lsp_client: LanguageClient) -> AsyncIterator[None]:
    """A session that begins, and ends as an editor ends it."""
    await lsp_client.initialize_session(
        types.InitializeParams(
            capabilities=client_capabilities("visual-studio-code"),
            initialization_options={"explore": False},
        )
    )
    yield
    await lsp_client.shutdown_session()


@pytest.fixture
def editor(client: Listener, tmp_path: Path) -> Editor:
    """An editor in a small project."""
    directory = project(tmp_path).parent
    return Editor(client, directory)


@pytest_lsp.fixture(
    config=ClientServerConfig(
        server_command=[sys.executable, "-m", "knhk", "lsp"],
        client_factory=Listener,
        server_env=dict(os.environ),
    )
)
async def exploring_client(lsp_client: LanguageClient) -> AsyncIterator[None]:
    """The same with a server that explores nets."""
    await lsp_client.initialize_session(
        types.InitializeParams(capabilities=client_capabilities("visual-studio-code"))
    )
    yield
    await lsp_client.shutdown_session()


@pytest.fixture
def exploring_editor(exploring_client: Listener, tmp_path: Path) -> Editor:
    """An editor whose server explores nets."""
    return Editor(exploring_client, project(tmp_path).parent)
