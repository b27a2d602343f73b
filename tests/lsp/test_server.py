"""The language server as an editor meets it: a process, asked over its stdin and stdout."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest
from lsprotocol import types
from pygls.exceptions import JsonRpcException

from tests.dsl.index.sources import ORDER, TYPES
from tests.lsp.conftest import Editor

BROKEN = ORDER.replace("sets total", "sets totl")
FULL = types.FormattingOptions(tab_size=4, insert_spaces=True)


def codes(diagnostics: list[types.Diagnostic]) -> list[object]:
    return [diagnostic.code for diagnostic in diagnostics]


def shown(text: str, where: types.Range) -> str:
    """What stands in a range of one line."""
    line = text.split("\n")[where.start.line].encode("utf-16-le")
    return line[2 * where.start.character : 2 * where.end.character].decode("utf-16-le")


@pytest.mark.asyncio
async def test_a_document_is_checked_when_it_is_opened_and_as_it_changes(editor: Editor) -> None:
    assert [] == codes(await editor.open("order.knhk"))
    (found,) = await editor.change("order.knhk", BROKEN, 2)

    assert ("KN205", "knhk", types.DiagnosticSeverity.Error) == (
        found.code,
        found.source,
        found.severity,
    )
    assert "there is no variable `totl`\nhint: did you mean `total`?" == found.message
    assert "totl" == shown(BROKEN, found.range)
    assert [] == codes(await editor.change("order.knhk", ORDER, 3))


@pytest.mark.asyncio
async def test_characters_are_counted_as_the_editor_counts_them(editor: Editor) -> None:
    text = ORDER.replace("\U0001f600 {total}", "\U0001f600 {totl}")

    (found,) = await editor.open("order.knhk", text)

    assert "totl" == shown(text, found.range)
    hover = await editor.client.text_document_hover_async(
        types.HoverParams(editor.document("order.knhk"), editor.at(text, "items, note: ")),
    )
    assert hover is None
    place = editor.at(text, "var to")
    hover = await editor.client.text_document_hover_async(
        types.HoverParams(editor.document("order.knhk"), place)
    )
    assert hover is not None
    assert isinstance(hover.contents, types.MarkupContent)
    assert "var total: decimal" in hover.contents.value


@pytest.mark.asyncio
async def test_only_the_last_of_many_quick_edits_is_checked(editor: Editor) -> None:
    await editor.open("order.knhk")
    for version in range(2, 30):
        editor.change_only("order.knhk", f"{BROKEN}# {version}\n", version)

    assert ["KN205"] == codes(await editor.told("order.knhk", 29))


@pytest.mark.asyncio
async def test_another_document_is_seen_as_it_is_in_the_editor(editor: Editor) -> None:
    await editor.open("order.knhk")
    await editor.open("types.knhk")
    await editor.told("order.knhk", 1)

    editor.change_only("types.knhk", TYPES.replace("price", "cost"), 2)

    assert ["KN304", "KN304"] == codes(await editor.told("order.knhk", 1))
    await editor.told("types.knhk", 2)
    editor.client.text_document_did_close(
        types.DidCloseTextDocumentParams(editor.document("types.knhk"))
    )
    assert [] == codes(await editor.told("order.knhk", 1))


@pytest.mark.asyncio
async def test_what_is_wrong_with_a_used_file_is_told_of_that_file(editor: Editor) -> None:
    path = editor.directory / "types.knhk"
    path.write_text(TYPES.replace("price: decimal", "price: decimall"), encoding="utf-8")

    await editor.open("order.knhk")
    assert ["KN214"] == codes(await editor.told("types.knhk", None))

    path.write_text(TYPES, encoding="utf-8")
    event = types.FileEvent(path.as_uri(), types.FileChangeType.Changed)
    editor.client.workspace_did_change_watched_files(types.DidChangeWatchedFilesParams([event]))
    assert [] == codes(await editor.told("types.knhk", None))


@pytest.mark.asyncio
async def test_names_lead_to_their_definition_and_to_all_their_uses(editor: Editor) -> None:
    await editor.open("order.knhk")
    (editor.directory / "more.knhk").write_text(
        'from "types.knhk" use Item\nworkflow more(i: Item) -> str\n    flow\n'
        "        start -> end\n    return i.sku\n",
        encoding="utf-8",
    )
    document, place = editor.document("order.knhk"), editor.at(ORDER, "list[It")

    definition = await editor.client.text_document_definition_async(
        types.DefinitionParams(document, place)
    )
    assert isinstance(definition, types.Location)
    assert editor.uri("types.knhk") == definition.uri
    assert "Item" == shown(TYPES, definition.range)
    found = await editor.client.text_document_references_async(
        types.ReferenceParams(types.ReferenceContext(include_declaration=True), document, place)
    )
    assert found is not None
    assert [3, 2, 1] == [
        sum(location.uri == editor.uri(name) for location in found)
        for name in ("order.knhk", "more.knhk", "types.knhk")
    ]
    marked = await editor.client.text_document_document_highlight_async(
        types.DocumentHighlightParams(document, place)
    )
    assert 3 == len(marked or ())


@pytest.mark.asyncio
async def test_a_python_function_leads_into_its_module(editor: Editor) -> None:
    text = ORDER.replace('reserve(items: list[Item], note: str = "") -> Box', "reserve", 1)
    await editor.open("order.knhk", text)

    found = await editor.client.text_document_definition_async(
        types.DefinitionParams(editor.document("order.knhk"), editor.at(text, "= reserve"))
    )

    assert isinstance(found, types.Location)
    assert (editor.uri("shop.py"), 10) == (found.uri, found.range.start.line)


@pytest.mark.asyncio
async def test_a_name_is_changed_in_all_files(editor: Editor) -> None:
    await editor.open("order.knhk")
    document, place = editor.document("order.knhk"), editor.at(ORDER, "item.pri")

    where = await editor.client.text_document_prepare_rename_async(
        types.PrepareRenameParams(document, place)
    )
    edit = await editor.client.text_document_rename_async(
        types.RenameParams(document, place, "cost")
    )

    assert isinstance(where, types.Range)
    assert "price" == shown(ORDER, where)
    assert edit is not None
    assert {editor.uri("order.knhk"): 2, editor.uri("types.knhk"): 1} == {
        uri: len(edits) for uri, edits in (edit.changes or {}).items()
    }


@pytest.mark.asyncio
@pytest.mark.parametrize(
    ("before", "name", "why"),
    [
        ("task hol", "total", "with the name `total`, `total` is the name of a variable already"),
        ("task hol", "skip", "`skip` is a word of the language"),
        ("= reser", "x", "`reserve` cannot be renamed here: it comes from Python: rename it there"),
    ],
)
async def test_a_name_that_cannot_be_changed_is_refused_with_a_sentence(
    editor: Editor, before: str, name: str, why: str
) -> None:
    await editor.open("order.knhk")

    with pytest.raises(JsonRpcException) as refused:
        await editor.client.text_document_rename_async(
            types.RenameParams(editor.document("order.knhk"), editor.at(ORDER, before), name)
        )

    assert why == refused.value.message


@pytest.mark.asyncio
async def test_fields_operations_and_words_are_completed(editor: Editor) -> None:
    text = ORDER.replace('return "{hold.code}"', "return hold.")
    await editor.open("order.knhk", text)

    found = await editor.client.text_document_completion_async(
        types.CompletionParams(editor.document("order.knhk"), editor.at(text, "return hold."))
    )

    assert isinstance(found, (list, tuple))
    assert ["code", "size"] == [item.label for item in found]


@pytest.mark.asyncio
async def test_the_symbols_of_a_document_are_a_tree(editor: Editor) -> None:
    await editor.open("order.knhk")

    found = await editor.client.text_document_document_symbol_async(
        types.DocumentSymbolParams(editor.document("order.knhk"))
    )

    assert [("Box", 2), ("patient", 0), ("pack", 2), ("order", 8)] == [
        (symbol.name, len(symbol.children or ()))
        for symbol in found or ()
        if isinstance(symbol, types.DocumentSymbol)
    ]


@pytest.mark.asyncio
async def test_a_document_is_formatted_unless_it_cannot_be_read(editor: Editor) -> None:
    document = editor.document("order.knhk")
    await editor.open("order.knhk", ORDER.replace("total + 1", "total+1"))

    params = types.DocumentFormattingParams(document, FULL)
    (edit,) = await editor.client.text_document_formatting_async(params) or ()
    assert "sets total = total + 1" in edit.new_text
    await editor.change("order.knhk", edit.new_text, 2)
    assert not await editor.client.text_document_formatting_async(params)
    await editor.change("order.knhk", "workflow (", 3)
    assert not await editor.client.text_document_formatting_async(params)


@pytest.mark.asyncio
async def test_a_hint_is_offered_as_an_action(editor: Editor) -> None:
    (diagnostic,) = await editor.open("order.knhk", BROKEN)

    found = await editor.client.text_document_code_action_async(
        types.CodeActionParams(
            editor.document("order.knhk"),
            diagnostic.range,
            types.CodeActionContext(diagnostics=[diagnostic]),
        )
    )

    (action,) = found or ()
    assert isinstance(action, types.CodeAction)
    assert "Write `total`" == action.title
    assert action.edit is not None
    ((edit,),) = (action.edit.changes or {}).values()
    assert ("total", "totl") == (edit.new_text, shown(BROKEN, edit.range))


@pytest.mark.asyncio
async def test_bad_files_are_told_and_the_server_lives(editor: Editor, tmp_path: Path) -> None:
    outside = tmp_path.parent / f"{tmp_path.name}_outside.knhk"
    outside.write_text("record Far\n    a: int\n", encoding="utf-8")
    (editor.directory / "link.knhk").symlink_to(outside)
    (editor.directory / "loop.knhk").symlink_to("loop.knhk")
    (editor.directory / "round.knhk").write_text('from "order.knhk" use order\n', encoding="utf-8")

    for version, (line, code) in enumerate(
        [
            ('from "link.knhk" use Far', "KN202"),
            ('from "loop.knhk" use Far', "KN201"),
            ('from "gone.knhk" use Far', "KN201"),
            ('from "../../far.knhk" use Far', "KN202"),
            ('from "round.knhk" use order', "KN204"),
        ],
        start=1,
    ):
        text = f"{line}\n{ORDER}"
        if version == 1:
            found = await editor.open("order.knhk", text)
        else:
            found = await editor.change("order.knhk", text, version)
        told = [
            *codes(found),
            *(each.code for params in editor.client.told for each in params.diagnostics),
        ]
        assert code in told


@pytest.mark.asyncio
async def test_a_file_that_is_deleted_while_others_use_it_is_told(editor: Editor) -> None:
    await editor.open("order.knhk")
    path = editor.directory / "types.knhk"
    path.unlink()
    event = types.FileEvent(path.as_uri(), types.FileChangeType.Deleted)
    editor.client.workspace_did_change_watched_files(types.DidChangeWatchedFilesParams([event]))

    assert "KN201" in codes(await editor.told("order.knhk", 1))


@pytest.mark.asyncio
async def test_a_document_without_a_file_is_checked_too(editor: Editor) -> None:
    item = types.TextDocumentItem("untitled:one", "knhk", 1, "workflow w\n    task a\n")
    editor.client.text_document_did_open(types.DidOpenTextDocumentParams(item))
    while not editor.client.told:
        editor.client.news.clear()
        await editor.client.news.wait()

    (told,) = editor.client.told

    assert ("untitled:one", ["KN402"]) == (told.uri, codes(list(told.diagnostics)))


@pytest.mark.asyncio
@pytest.mark.parametrize("text", ["\ud83d\n", "\x00\x01", "(" * 5_000, "\u2028\r\r\n\x0c", '"""'])
async def test_no_text_brings_the_server_down(editor: Editor, text: str) -> None:
    assert await editor.open("order.knhk", text)

    await asyncio.gather(
        editor.client.text_document_hover_async(
            types.HoverParams(editor.document("order.knhk"), types.Position(99, 99))
        ),
        editor.client.text_document_completion_async(
            types.CompletionParams(editor.document("order.knhk"), types.Position(0, 3))
        ),
    )
    assert [] == codes(await editor.change("order.knhk", ORDER, 2))
