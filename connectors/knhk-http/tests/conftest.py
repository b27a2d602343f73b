"""What the tests of the connector share: both event loops, and a service to talk to."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from http_loopback import Service
from http_loopback import service as loopback


@pytest.fixture(scope="module", params=["asyncio", "trio"])
def anyio_backend(request: pytest.FixtureRequest) -> str:
    """Every test marked `anyio` runs on both."""
    return str(request.param)


@pytest.fixture(autouse=True)
def _no_proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")


@pytest.fixture
def service() -> Iterator[Service]:
    with loopback() as told:
        yield told
