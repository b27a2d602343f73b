"""The `.knhk` language: parse, check, lower; one package per part.

Importing this package is cheap: its parts are imported when they are first asked for.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from knhk_dsl.compilation import Compilation, check_sources, compile_sources
    from knhk_dsl.environment import Environment
    from knhk_dsl.sources import Sources

__all__ = ["Compilation", "Environment", "Sources", "check_sources", "compile_sources"]

_HOMES = {
    "Compilation": "compilation",
    "Environment": "environment",
    "Sources": "sources",
    "check_sources": "compilation",
    "compile_sources": "compilation",
}


def __getattr__(name: str) -> object:
    """A public name, from the module that defines it (PEP 562)."""
    home = _HOMES.get(name)
    if home is None:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from importlib import import_module

    return getattr(import_module(f"{__name__}.{home}"), name)


def __dir__() -> list[str]:
    return sorted([*globals(), *__all__])
