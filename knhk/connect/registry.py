"""Which connector types are installed, found by the entry-point group ``knhk.connectors``."""

from __future__ import annotations

import types
import typing
from functools import cache
from typing import TYPE_CHECKING, Any, Final

from importlib_metadata import EntryPoints, entry_points

from knhk.connect.connector import Connector, operations_of
from knhk.errors import ConnectorUnavailable, UnknownName
from knhk.model import ConnectorSignature, OperationSignature, ParameterSignature
from knhk.signature import operation_signature, type_word

if TYPE_CHECKING:
    from pydantic import BaseModel

__all__ = ["GROUP", "connector_names", "connector_signature", "connector_type"]

#: The entry-point group: the name is the connector type, the value its class.
GROUP: Final = "knhk.connectors"


@cache
def _installed() -> EntryPoints:
    return entry_points(group=GROUP)


def connector_names() -> tuple[str, ...]:
    """The names of the installed connector types; none of them is imported."""
    return tuple(sorted(_installed().names))


@cache
def connector_type(name: str) -> type[Connector[Any]]:
    """The class of a connector type, imported now.

    Raises :class:`~knhk.errors.UnknownName` if none of that name is installed, and
    :class:`~knhk.errors.ConnectorUnavailable` if it cannot be imported or is none.
    """
    points = _installed().select(name=name)
    if not points:
        raise UnknownName("connector type", name, connector_names())
    packages = sorted({p.dist.name if p.dist is not None else p.value for p in points})
    if len(packages) > 1:
        raise ConnectorUnavailable(
            f"the connector type {name!r} is brought by {' and '.join(packages)}; uninstall one",
            connector=name,
        )
    point = next(iter(points))
    package = packages[0]
    try:
        kind = point.load()
    except Exception as error:  # a package's own code: anything may go wrong in it
        raise ConnectorUnavailable(
            f"the connector type {name!r} of {package} cannot be imported:"
            f" {type(error).__name__}: {error}; reinstall or update {package}",
            connector=name,
        ) from error
    if not (isinstance(kind, type) and issubclass(kind, Connector) and hasattr(kind, "Settings")):
        raise ConnectorUnavailable(
            f"{point.value} of {package} is no connector type: it must be a subclass of"
            " knhk.connect.Connector with a `Settings` model",
            connector=name,
        )
    return kind


@cache
def connector_signature(name: str) -> ConnectorSignature | None:
    """What the checker must know of a connector type; ``None`` if it is not installed.

    Raises :class:`~knhk.errors.ConnectorUnavailable` if it is installed and cannot be used.
    """
    try:
        kind = connector_type(name)
    except UnknownName:
        return None
    offered = operations_of(kind)
    return ConnectorSignature(
        name,
        _settings(kind.Settings),
        tuple((each, _without_self(operation_signature(offered[each]))) for each in offered),
        (kind.__doc__ or "").strip(),
    )


def _without_self(signature: OperationSignature) -> OperationSignature:
    return OperationSignature(signature.parameters[1:], signature.result, signature.doc)


def _settings(model: type[BaseModel]) -> tuple[ParameterSignature, ...]:
    """The settings of a connector type, from its pydantic model."""
    return tuple(
        ParameterSignature(
            field.alias or name,
            _setting_word(field.annotation),
            required=field.is_required(),
            keyword_only=True,
        )
        for name, field in model.model_fields.items()
    )


def _setting_word(hint: object) -> str:
    """The language's word for a setting; a secret is written as text."""
    members = typing.get_args(hint)
    if typing.get_origin(hint) in (typing.Union, types.UnionType):
        words = {_setting_word(each) for each in members if each is not types.NoneType}
        if len(words) == 1 and types.NoneType in members and words != {"json"}:
            return f"{words.pop()}?"
    return "str" if getattr(hint, "__name__", "") == "SecretStr" else type_word(hint)
