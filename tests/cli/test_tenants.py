"""The commands tell tenants apart where there are any."""

from __future__ import annotations

import json

import pytest

from .conftest import Project

WORK = """
workflow work()
    task sign
    flow
        start -> sign -> end
"""


@pytest.fixture
def store(project: Project) -> Project:
    project.write("work.knhk", WORK)
    for case, *tenant in (("A1", "--tenant", "acme"), ("B1", "--tenant", "big"), ("C1",)):
        outcome = project.knhk("run", "work.knhk", "--case", case, *tenant, "--store", "s.db")
        assert 3 == outcome.code, outcome.err
    return project


def test_the_cases_of_one_tenant_are_listed(store: Project) -> None:
    everything = store.knhk("list", "--json", "--store", "s.db")
    one = store.knhk("list", "--tenant", "acme", "--store", "s.db")

    tenants = {row["case"]: row["tenant"] for row in json.loads(everything.out)}
    assert {"A1": "acme", "B1": "big", "C1": None} == tenants
    assert ("A1", "acme") == (one.out.split()[6], one.out.split()[-1])
    assert "B1" not in one.out


def test_a_case_is_shown_with_its_tenant(store: Project) -> None:
    shown = store.knhk("show", "A1", "--store", "s.db")

    assert "tenant    acme" in shown.out.splitlines()


def test_something_is_done_to_all_cases_of_a_tenant(store: Project) -> None:
    outcome = store.knhk("cancel", "--tenant", "acme", "--store", "s.db")
    listed = store.knhk("list", "--json", "--store", "s.db")

    assert 0 == outcome.code, outcome.err
    status = {row["case"]: row["status"] for row in json.loads(listed.out)}
    assert {"A1": "cancelled", "B1": "running", "C1": "running"} == status


def test_names_and_a_tenant_do_not_go_together(store: Project) -> None:
    outcome = store.knhk("cancel", "A1", "--tenant", "acme", "--store", "s.db")

    assert 2 == outcome.code
    assert "either name the cases, or give --status, --workflow and --tenant" in outcome.err
