"""The bundled words of the flow, whatever else is installed."""

from __future__ import annotations

from typing import Final

from knhk.errors import Diagnostic
from knhk_dsl.flow import construction
from knhk_dsl.flow.drawing import Pattern
from knhk_dsl.flow.graph import FlowGraph
from knhk_dsl.syntax import ast
from knhk_plugins.patterns import knhk_patterns

#: The patterns of the language, by their words.
PATTERNS: Final[dict[str, Pattern]] = {each.word: each for each in knhk_patterns()}


def build(tree: ast.WorkflowDecl) -> tuple[FlowGraph, tuple[Diagnostic, ...]]:
    """The net of a workflow, with all that is wrong with its flow."""
    return construction.build(tree, patterns=PATTERNS)
