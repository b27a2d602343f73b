"""What all tests share: both event loops, hypothesis profiles, and which kernel is tested."""

from __future__ import annotations

import os
import signal
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

import knhk.kernel

# No deadline: a shared machine says nothing about an algorithm. A failure prints its blob.
settings.register_profile("dev", deadline=None, max_examples=50, print_blob=True)
settings.register_profile(
    "ci",
    deadline=None,
    max_examples=60,
    print_blob=True,
    suppress_health_check=[HealthCheck.too_slow],
)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "ci" if "CI" in os.environ else "dev"))


# A shell starts what it runs in the background without Ctrl-C, and so would be what tests start.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)


def pytest_report_header() -> str:
    """Say which kernel is tested, and where it comes from."""
    path = Path(str(knhk.kernel.__file__))
    kind = "interpreted" if path.suffix == ".py" else "compiled"
    return f"knhk: {kind} kernel from {path.parent}"


@pytest.fixture(scope="module", params=["asyncio", "trio"])
def anyio_backend(request: pytest.FixtureRequest) -> str:
    """Every test marked `anyio` runs on both."""
    return str(request.param)
