"""What the cases know of plugins and connectors: fixed, whatever is installed."""

from __future__ import annotations

from typing import Final

from knhk.model import ConnectorSignature, OperationSignature, ParameterSignature
from knhk_dsl import Environment
from knhk_plugins.patterns import knhk_patterns

HTTP: Final = ConnectorSignature(
    "http",
    (
        ParameterSignature("base_url", "str", keyword_only=True),
        ParameterSignature("timeout", "duration", required=False, keyword_only=True),
    ),
    (
        ("get", OperationSignature((ParameterSignature("path", "str"),))),
        (
            "post",
            OperationSignature(
                (
                    ParameterSignature("path", "str"),
                    ParameterSignature("json", required=False, keyword_only=True),
                )
            ),
        ),
    ),
)
TASK_TYPES: Final = {
    "log": OperationSignature(
        (ParameterSignature("text", "str"), ParameterSignature("level", "str", required=False)),
        "str",
    ),
    "human": OperationSignature(
        (
            ParameterSignature("role", "str", required=False),
            ParameterSignature("details", required=False, keyword_only=True, many=True),
        )
    ),
}
PATTERNS: Final = {pattern.word: pattern for pattern in knhk_patterns()}
ENVIRONMENT: Final = Environment(TASK_TYPES, {"http": HTTP}.get, lambda: ("http", "smtp"), PATTERNS)
