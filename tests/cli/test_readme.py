"""The workflow that the README shows is one that checks and runs."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from .conftest import Project

README = Path(__file__).parents[2] / "README.md"
HANDLERS = """
def price(amount: int) -> int:
    return 2 * amount

async def send(customer: str, offer: int) -> str:
    return f"{offer} to {customer}"
"""


@pytest.fixture
def quotes(project: Project) -> Project:
    (source,) = re.findall(r"```knhk\n(.*?)```", README.read_text(encoding="utf-8"), re.DOTALL)
    project.write("quote.knhk", source)
    project.write("quotes/__init__.py", "")
    project.write("quotes/handlers.py", HANDLERS)
    return project


def test_it_checks_without_a_warning(quotes: Project) -> None:
    outcome = quotes.knhk("check", "quote.knhk")

    assert (0, "", "1 file checked: 0 errors, 0 warnings\n") == (
        outcome.code,
        outcome.out,
        outcome.err,
    )


def test_a_small_quote_is_sent_at_once(quotes: Project) -> None:
    outcome = quotes.knhk("run", "quote.knhk", "-p", "customer=Ada", "-p", "amount=10")

    assert (0, "sent") == (outcome.code, outcome.json)


def test_a_large_one_waits_for_somebody_and_is_sent_then(quotes: Project) -> None:
    arguments = ("-p", "customer=Ada", "-p", "amount=5000", "--case", "Q1")
    waiting = quotes.knhk("run", "quote.knhk", *arguments)
    done = quotes.knhk("complete", "Q1", "approve")

    assert (3, 0, "sent") == (waiting.code, done.code, done.json)
