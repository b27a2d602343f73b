"""The plugins of this process: the bundled ones in order, then those that are installed.

A plugin that cannot be imported, or that offers a name which is taken, is reported by name
(:func:`failures`, and a warning in the log) and left out; the rest works.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from importlib import import_module
from types import MappingProxyType
from typing import TYPE_CHECKING, Final, TypeVar

from importlib_metadata import entry_points
from pluggy import PluginManager

from knhk import hookspecs
from knhk.connect.registry import connector_names, connector_signature
from knhk.errors import KnhkError
from knhk.hookspecs import PROJECT, TaskType

if TYPE_CHECKING:
    from knhk.model import ConnectorSignature
    from knhk.patterns import Pattern
    from knhk_dsl.environment import Environment

__all__ = [
    "DEFAULT_PLUGINS",
    "GROUP",
    "PluginFailure",
    "environment",
    "failures",
    "patterns",
    "task_types",
]

#: The bundled plugins, in the order in which they are registered.
DEFAULT_PLUGINS: Final = ("knhk_plugins.log", "knhk_plugins.human", "knhk_plugins.patterns")
#: The entry-point group of plugins of other distributions.
GROUP: Final = "knhk"

_Given = TypeVar("_Given")

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
    patterns: Mapping[str, Pattern]
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
    collected = _Collector(manager, failed)
    found = collected.task_types()
    patterns = collected.patterns()
    for failure in failed:
        _LOGGER.warning("plugin %s is left out: %s", failure.plugin, failure.why)
    return _Loaded(manager, MappingProxyType(found), MappingProxyType(patterns), tuple(failed))


def _unknown_hooks(manager: PluginManager, plugin: object) -> list[str]:
    """The hooks of a plugin that there are none of here: it was made for another version."""
    callers = manager.get_hookcallers(plugin) or []
    return [caller.name for caller in callers if not caller.has_spec()]


class _Collector:
    """Gathers what the plugins give, in the order of the plugins; the first of a name wins."""

    def __init__(self, manager: PluginManager, failed: list[PluginFailure]) -> None:
        self._manager = manager
        self._failed = failed

    def task_types(self) -> dict[str, TaskType]:
        """The task types of all plugins."""
        found: dict[str, TaskType] = {}
        owners: dict[str, str] = {}
        for plugin, each in self._given("knhk_task_types", TaskType):
            if each.name in found:
                self._refuse(plugin, f"the task type {each.name!r} is taken by {owners[each.name]}")
                continue
            found[each.name] = each
            owners[each.name] = plugin
        return found

    def patterns(self) -> dict[str, Pattern]:
        """The words of the flow of all plugins."""
        from knhk.patterns import LANGUAGE_WORDS, Pattern

        found: dict[str, Pattern] = {}
        owners: dict[str, str] = {}
        for plugin, each in self._given("knhk_patterns", Pattern):
            if each.word in LANGUAGE_WORDS:
                self._refuse(plugin, f"the group {each.word!r} is a word of the language")
            elif each.word in found:
                self._refuse(plugin, f"the group {each.word!r} is taken by {owners[each.word]}")
            else:
                found[each.word] = each
                owners[each.word] = plugin
        return found

    def _given(self, hook: str, kind: type[_Given]) -> Iterator[tuple[str, _Given]]:
        """What every plugin gives for a hook, with the name of the plugin."""
        implementations = getattr(self._manager.hook, hook).get_hookimpls()
        rank = {name: at for at, (name, _) in enumerate(self._manager.list_name_plugin())}
        for implementation in sorted(implementations, key=lambda each: rank[each.plugin_name]):
            plugin = implementation.plugin_name
            try:
                offered: list[object] = list(implementation.function())
            except Exception as error:  # noqa: BLE001 - another package's code: anything may go wrong in it
                self._refuse(plugin, f"{type(error).__name__}: {error}")
                continue
            for each in offered:
                if isinstance(each, kind):
                    yield plugin, each
                else:
                    self._refuse(plugin, f"{hook} gives {kind.__name__}, not {each!r}")

    def _refuse(self, plugin: str, why: str) -> None:
        self._failed.append(PluginFailure(plugin, why))


def task_types() -> Mapping[str, TaskType]:
    """The task types of all plugins, by name."""
    return _loaded().task_types


def patterns() -> Mapping[str, Pattern]:
    """The groups of the flow that the plugins add, by their words."""
    return _loaded().patterns


def failures() -> tuple[PluginFailure, ...]:
    """The plugins that were left out, and why."""
    return _loaded().failures


def environment() -> Environment:
    """What the checker must know of the installed plugins and connectors."""
    from knhk_dsl.environment import Environment

    signatures = {name: each.signature for name, each in task_types().items()}
    return Environment(signatures, _signature, connector_names, patterns())


def _signature(name: str) -> ConnectorSignature | None:
    try:
        return connector_signature(name)
    except KnhkError as error:
        _LOGGER.warning("%s", error)
        return None
