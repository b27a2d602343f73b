"""What is told of a name: what it stands for, its type there, its documentation."""

from __future__ import annotations

from typing import Final

from knhk_dsl.index.definitions import Definition, Occurrence

_ORIGINS: Final = {
    "callable": "from the Python module `{}`",
    "operation": "an operation of connectors of type `{}`",
    "field": "a field of the record `{}`",
    "member": "a member of the enumeration `{}`",
}


def hover(occurrence: Occurrence) -> str:
    """Markdown for a name where it stands."""
    definition = occurrence.definition
    parts = [f"```knhk\n{definition.shape or definition.name}\n```"]
    notes = [_origin(definition)]
    if occurrence.type and not definition.shape.endswith(occurrence.type):
        notes.append(f"here of type `{occurrence.type}`")
    told = ", ".join(note for note in notes if note)
    return "\n\n".join(part for part in (*parts, told, definition.doc) if part)


def _origin(definition: Definition) -> str:
    kind, within = definition.kind, definition.within
    if kind in _ORIGINS:
        return _ORIGINS[kind].format(within)
    if not within:
        return f"{'an' if kind[0] in 'aeiou' else 'a'} {kind}"
    return f"a {kind} of the workflow `{within}`"
