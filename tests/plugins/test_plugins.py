"""Plugins: every hook is documented and used, and a broken plugin harms nobody."""

from __future__ import annotations

import logging
from collections.abc import Callable

import pytest

from knhk import hookspecs, plugins
from knhk.hookspecs import PROJECT
from knhk.plugins import DEFAULT_PLUGINS, environment, failures, task_types
from tests.plugins.installing import install

__all__ = ["install"]

HOOKS = [name for name, value in vars(hookspecs).items() if hasattr(value, f"{PROJECT}_spec")]


def test_there_is_a_hook() -> None:
    assert HOOKS == ["knhk_task_types", "knhk_patterns"]


@pytest.mark.parametrize("hook", HOOKS)
def test_every_hook_is_documented_and_used_by_a_bundled_plugin(hook: str) -> None:
    assert (getattr(hookspecs, hook).__doc__ or "").strip()
    implementations = getattr(plugins._loaded().manager.hook, hook).get_hookimpls()
    assert {each.plugin_name for each in implementations} & set(DEFAULT_PLUGINS)


def test_the_bundled_task_types_are_known_to_the_checker() -> None:
    signatures = environment().task_types
    assert sorted(signatures) == ["human", "log"]
    assert [p.name for p in signatures["log"].parameters] == ["text", "level"]


def test_log_writes_a_line_and_gives_its_text(caplog: pytest.LogCaptureFixture) -> None:
    run = task_types()["log"].run
    assert run is not None
    with caplog.at_level(logging.INFO, "knhk.log"):
        assert run("order A1 was refused", level="warning") == "order A1 was refused"
    assert caplog.record_tuples == [("knhk.log", logging.WARNING, "order A1 was refused")]


def test_log_refuses_a_level_that_does_not_exist() -> None:
    run = task_types()["log"].run
    assert run is not None
    with pytest.raises(ValueError, match="there is no log level 'loud'; use one of debug, info"):
        run("text", level="loud")


def test_work_for_a_person_is_done_outside() -> None:
    assert task_types()["human"].run is None


SHOUT = """
from knhk.hookspecs import TaskType, hookimpl
from knhk.signature import operation_signature

def shout(text: str) -> str:
    return text.upper()

@hookimpl
def knhk_task_types():
    return [TaskType({name!r}, operation_signature(shout), shout)]
"""


def test_an_installed_plugin_adds_a_task_type(install: Callable[[str, str], None]) -> None:
    install("knhk_shout", SHOUT.format(name="shout"))
    run = task_types()["shout"].run
    assert run is not None
    assert (run("a"), failures()) == ("A", ())


def test_a_plugin_that_cannot_be_imported_is_left_out_by_name(
    install: Callable[[str, str], None],
) -> None:
    install("knhk_broken", "raise RuntimeError('no luck')")
    assert sorted(task_types()) == ["human", "log"]
    assert [(f.plugin, f.why) for f in failures()] == [("knhk_broken", "RuntimeError: no luck")]


def test_a_name_that_is_taken_is_refused_with_both_plugins_named(
    install: Callable[[str, str], None],
) -> None:
    install("knhk_rude", SHOUT.format(name="log"))
    assert [(f.plugin, f.why) for f in failures()] == [
        ("knhk_rude", "the task type 'log' is taken by knhk_plugins.log")
    ]


def test_a_hook_that_fails_is_left_out(install: Callable[[str, str], None]) -> None:
    source = SHOUT.format(name="shout").replace("return [", "raise ValueError('x')\n    return [")
    install("knhk_failing", source)
    assert [(f.plugin, f.why) for f in failures()] == [("knhk_failing", "ValueError: x")]


def test_a_plugin_with_a_hook_of_another_version_is_reported(
    install: Callable[[str, str], None],
) -> None:
    later = "\n@hookimpl\ndef knhk_time_machines():\n    return []\n"
    install("knhk_later", SHOUT.format(name="shout") + later)
    assert [(f.plugin, f.why) for f in failures()] == [
        ("knhk_later", "it has the hook knhk_time_machines, which this version has not")
    ]
    assert "shout" in task_types()
