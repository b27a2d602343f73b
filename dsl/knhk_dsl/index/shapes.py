"""What is shown of a definition: its type or signature, as the language writes it."""

from __future__ import annotations

from collections.abc import Iterable

from knhk.model import OperationSignature, ParameterSignature
from knhk_dsl.expressions.builtin_types import Builtin
from knhk_dsl.index.page import Page
from knhk_dsl.names.arguments import ANYTHING, CallParameter, CallSignature
from knhk_dsl.syntax import ast
from knhk_dsl.values.types import UNKNOWN, Type


def type_shown(type_: Type | None) -> str:
    """A type in words; empty if it is not known."""
    return "" if type_ is None or type_ is UNKNOWN else str(type_)


def workflow_shape(workflow: ast.WorkflowDecl, page: Page) -> str:
    """``workflow order(id: str) -> Receipt``."""
    parameters = ", ".join(page.shown(parameter.span) for parameter in workflow.parameters)
    result = "" if workflow.result is None else f" -> {page.shown(workflow.result.span)}"
    return f"workflow {workflow.name}({parameters}){result}"


def record_shape(record: ast.RecordDecl, page: Page) -> str:
    """A record with its fields, a line for each."""
    fields = "".join(f"\n    {page.shown(field.span)}" for field in record.fields)
    return f"record {record.name}{fields}"


def callable_shape(name: str, signature: CallSignature) -> str:
    """``reserve(items: list[Item]) -> Hold``."""
    if signature is ANYTHING:
        return f"{name}(...)"
    parameters = [_parameter(parameter) for parameter in signature.parameters]
    parameters += ["..."] if signature.more is not None or signature.more_named is not None else []
    result = type_shown(signature.result)
    return f"{name}({', '.join(parameters)})" + (f" -> {result}" if result else "")


def _parameter(parameter: CallParameter) -> str:
    type_ = type_shown(parameter.type)
    more = "" if parameter.required else " = ..."
    return parameter.name + (f": {type_}" if type_ else "") + more


def operation_shape(name: str, operation: OperationSignature) -> str:
    """``post(path: str, json: json) -> json``."""
    return f"{name}({_settings(operation.parameters)}) -> {operation.result}"


def connector_type_shape(name: str, settings: Iterable[ParameterSignature]) -> str:
    """``http(base_url: str, timeout: duration = ...)``."""
    return f"{name}({_settings(settings)})"


def _settings(parameters: Iterable[ParameterSignature]) -> str:
    return ", ".join(
        f"{parameter.name}: {parameter.type}" + ("" if parameter.required else " = ...")
        for parameter in parameters
        if not parameter.many
    )


def function_shape(function: Builtin) -> str:
    """``round(number, digits)``."""
    arguments = list(function.arguments)
    arguments += ["..."] if function.many else []
    return f"{function.name}({', '.join(arguments)})"
