"""Connector packages made on the spot: a module and its entry point, installed in a folder."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import anyio.to_thread
import pytest

from knhk.connect import registry

Install = Callable[..., None]


@pytest.fixture
def install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Install]:
    """``install(type name, "module:Class", source)`` makes a connector distribution."""
    monkeypatch.syspath_prepend(tmp_path)

    def forget() -> None:
        registry._installed.cache_clear()
        registry.connector_type.cache_clear()
        registry.connector_signature.cache_clear()

    def add(name: str, value: str, source: str, package: str = "") -> None:
        module = value.partition(":")[0]
        (tmp_path / f"{module}.py").write_text(source)
        package = package or f"knhk-{name}"
        info = tmp_path / f"{package.replace('-', '_')}-1.0.dist-info"
        info.mkdir()
        (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {package}\nVersion: 1.0\n")
        (info / "entry_points.txt").write_text(f"[knhk.connectors]\n{name} = {value}\n")
        forget()

    yield add
    forget()


async def in_thread(what: str, function: Callable[[], object]) -> object:
    """Call a plain operation in a worker thread, as an engine does."""
    return await anyio.to_thread.run_sync(function)
