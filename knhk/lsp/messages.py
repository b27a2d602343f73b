"""What is known of sources, as the protocol writes it."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Final

from lsprotocol import types

from knhk.errors import ERROR, Diagnostic, Span
from knhk_dsl.index import Candidate, Entry
from knhk_dsl.rendering.runs import sentence

__all__ = ["completion_item", "diagnostic_of", "document_symbols"]

SOURCE: Final = "knhk"
#: Where a span is, for an editor.
Locate = Callable[[Span], types.Location]

_SYMBOL_KINDS: Final = {
    "workflow": types.SymbolKind.Function,
    "record": types.SymbolKind.Struct,
    "field": types.SymbolKind.Field,
    "enumeration": types.SymbolKind.Enum,
    "member": types.SymbolKind.EnumMember,
    "connector": types.SymbolKind.Interface,
    "policy": types.SymbolKind.Object,
    "trigger": types.SymbolKind.Event,
    "invariant": types.SymbolKind.Boolean,
    "strategy": types.SymbolKind.Object,
    "parameter": types.SymbolKind.Variable,
    "variable": types.SymbolKind.Variable,
    "task": types.SymbolKind.Method,
    "place": types.SymbolKind.Constant,
    "mutex": types.SymbolKind.Constant,
}
_COMPLETION_KINDS: Final = {
    "keyword": types.CompletionItemKind.Keyword,
    "type": types.CompletionItemKind.TypeParameter,
    "workflow": types.CompletionItemKind.Function,
    "callable": types.CompletionItemKind.Function,
    "function": types.CompletionItemKind.Function,
    "task type": types.CompletionItemKind.Function,
    "operation": types.CompletionItemKind.Method,
    "record": types.CompletionItemKind.Struct,
    "field": types.CompletionItemKind.Field,
    "argument": types.CompletionItemKind.Property,
    "enumeration": types.CompletionItemKind.Enum,
    "member": types.CompletionItemKind.EnumMember,
    "connector": types.CompletionItemKind.Interface,
    "connector type": types.CompletionItemKind.Class,
    "task": types.CompletionItemKind.Method,
}


def diagnostic_of(
    diagnostic: Diagnostic, locate: Locate, *, related: bool = True
) -> types.Diagnostic:
    """A diagnostic with its hint, its further places, and the run that shows it."""
    parts = [diagnostic.message]
    if diagnostic.hint:
        parts.append(f"hint: {diagnostic.hint}")
    if diagnostic.run is not None:
        parts.append(sentence(diagnostic.run))
    is_error = diagnostic.severity == ERROR
    further = [
        types.DiagnosticRelatedInformation(locate(span), words)
        for span, words in diagnostic.related
    ]
    return types.Diagnostic(
        range=locate(diagnostic.span).range,
        message="\n".join(parts),
        severity=types.DiagnosticSeverity.Error if is_error else types.DiagnosticSeverity.Warning,
        code=diagnostic.code,
        source=SOURCE,
        tags=[types.DiagnosticTag.Unnecessary] if diagnostic.code == "KN212" else None,
        related_information=further if related and further else None,
    )


def document_symbols(entries: Iterable[Entry], locate: Locate) -> list[types.DocumentSymbol]:
    """The tree of what a file defines."""
    found: list[types.DocumentSymbol] = []
    for entry in entries:
        definition = entry.definition
        if definition.place is None or definition.whole is None:
            continue
        found.append(
            types.DocumentSymbol(
                name=definition.name,
                kind=_SYMBOL_KINDS.get(definition.kind, types.SymbolKind.Object),
                range=locate(definition.whole).range,
                selection_range=locate(definition.place).range,
                detail=definition.kind,
                children=document_symbols(entry.entries, locate),
            )
        )
    return found


def completion_item(candidate: Candidate, replaced: types.Range) -> types.CompletionItem:
    """A word that could be written in a range; names come before the words of the language."""
    doc = types.MarkupContent(types.MarkupKind.Markdown, candidate.doc) if candidate.doc else None
    name = candidate.name
    return types.CompletionItem(
        label=name,
        kind=_COMPLETION_KINDS.get(candidate.kind, types.CompletionItemKind.Variable),
        detail=candidate.shape or candidate.kind,
        documentation=doc,
        sort_text=f"{'1' if candidate.kind in ('keyword', 'function', 'type') else '0'}{name}",
        text_edit=types.TextEdit(replaced, f"{name} " if candidate.kind == "argument" else name),
    )
