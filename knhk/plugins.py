"""The plugins of this process: the bundled ones in order, then those that are installed.

A plugin that cannot be imported, or that offers a name which is taken, is reported by name
(:func:`failures`, and a warning in the log) and left out; the rest works.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from importlib import import_module
from types import MappingProxyType
from typing import TYPE_CHECKING, Final

from importlib_metadata import entry_points
from pluggy import PluginManager

from knhk import hookspecs
from knhk.connect.registry import connector_names, connector_signature
from knhk.errors import KnhkError
from knhk.hookspecs import PROJECT, TaskType

if TYPE_CHECKING:
    from knhk.model import ConnectorSignature
    from knhk_dsl.environment import Environment

__all__ = ["DEFAULT_PLUGINS", "GROUP", "PluginFailure", "environment", "failures", "task_types"]

#: The bundled plugins, in the order in which they are registered.
DEFAULT_PLUGINS: Final = ("knhk_plugins.log", "knhk_plugins.human")
#: The entry-point group of plugins of other distributions.
GROUP: Final = "knhk"

_LOGGER: Final = logging.getLogger("knhk.plugins")


@dataclass(frozen=True, slots=True)
class PluginFailure:
    """A plugin that was left out, and why."""

    plugin: str
    why: str


@dataclass(frozen=True, slots=True)
class _Loaded:
    manager: PluginManager
    task_types: Mapping[str, TaskType]
    failures: tuple[PluginFailure, ...]


@cache
def _loaded() -> _Loaded:
    manager = PluginManager(PROJECT)
    manager.add_hookspecs(hookspecs)
    failed: list[PluginFailure] = []
    for name in DEFAULT_PLUGINS:
        manager.register(import_module(name), name)
    for point in entry_points(group=GROUP):
        try:
            manager.register(point.load(), point.name)
        except Exception as error:  # noqa: BLE001 - another package's code: anything may go wrong in it
            failed.append(PluginFailure(point.name, f"{type(error).__name__}: {error}"))
    for name, plugin in manager.list_name_plugin():
        unknown = _unknown_hooks(manager, plugin)
        why = "it has the hook {}, which this version has not"
        failed.extend(PluginFailure(name, why.format(hook)) for hook in unknown)
    found = _collect(manager, failed)
    for failure in failed:
        _LOGGER.warning("plugin %s is left out: %s", failure.plugin, failure.why)
    return _Loaded(manager, MappingProxyType(found), tuple(failed))


def _unknown_hooks(manager: PluginManager, plugin: object) -> list[str]:
    """The hooks of a plugin that there are none of here: it was made for another version."""
    callers = manager.get_hookcallers(plugin) or []
    return [caller.name for caller in callers if not caller.has_spec()]


def _collect(manager: PluginManager, failed: list[PluginFailure]) -> dict[str, TaskType]:
    """The task types of all plugins; the first of a name wins."""
    found: dict[str, TaskType] = {}
    owners: dict[str, str] = {}
    implementations = manager.hook.knhk_task_types.get_hookimpls()
    rank = {name: number for number, (name, _) in enumerate(manager.list_name_plugin())}
    for implementation in sorted(implementations, key=lambda each: rank[each.plugin_name]):
        plugin = implementation.plugin_name
        try:
            offered: list[TaskType] = list(implementation.function())  # type: ignore[call-overload]
        except Exception as error:  # noqa: BLE001 - another package's code: anything may go wrong in it
            failed.append(PluginFailure(plugin, f"{type(error).__name__}: {error}"))
            continue
        for task_type in offered:
            if task_type.name in found:
                why = f"the task type {task_type.name!r} is taken by {owners[task_type.name]}"
                failed.append(PluginFailure(plugin, why))
                continue
            found[task_type.name] = task_type
            owners[task_type.name] = plugin
    return found


def task_types() -> Mapping[str, TaskType]:
    """The task types of all plugins, by name."""
    return _loaded().task_types


def failures() -> tuple[PluginFailure, ...]:
    """The plugins that were left out, and why."""
    return _loaded().failures


def environment() -> Environment:
    """What the checker must know of the installed plugins and connectors."""
    from knhk_dsl.environment import Environment

    signatures = {name: each.signature for name, each in task_types().items()}
    return Environment(signatures, _signature, connector_names)


def _signature(name: str) -> ConnectorSignature | None:
    try:
        return connector_signature(name)
    except KnhkError as error:
        _LOGGER.warning("%s", error)
        return None
