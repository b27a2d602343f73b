"""The suite of this checkout, read once for all tests."""

from __future__ import annotations

from pathlib import Path

from knhk.testing.conformance import load_suite

SUITE = load_suite(Path(__file__).parent)
