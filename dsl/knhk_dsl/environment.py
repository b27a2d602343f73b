"""What the checker knows of the world outside the sources: plugins' task types, connectors."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from knhk.model import ConnectorSignature, OperationSignature

if TYPE_CHECKING:
    from knhk_dsl.flow.drawing import Pattern


def _no_connector(_name: str) -> ConnectorSignature | None:
    return None


def _no_names() -> Iterable[str]:
    return ()


@dataclass(frozen=True)
class Environment:
    """Signatures of what plugins and connectors offer to a workflow.

    ``task_types`` maps the name of a plugin's task type to its signature; ``connector`` gives
    the signature of a connector type or ``None``, and is asked only for types that a source
    names; ``connector_names`` lists all types there are, for suggestions. ``patterns`` are
    the groups of the flow, by their words.
    """

    task_types: Mapping[str, OperationSignature] = field(default_factory=dict)
    connector: Callable[[str], ConnectorSignature | None] = _no_connector
    connector_names: Callable[[], Iterable[str]] = _no_names
    patterns: Mapping[str, Pattern] = field(default_factory=dict)
