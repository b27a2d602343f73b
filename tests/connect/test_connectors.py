"""Connector types: found by entry point, described to the checker, opened, called, closed."""

from __future__ import annotations

import sys
import threading

import pytest

from knhk.call import Call
from knhk.connect import ConnectorPool, connector_names, connector_signature, connector_type
from knhk.errors import (
    ArgumentError,
    ConnectorError,
    ConnectorUnavailable,
    ExpressionError,
    SettingsError,
    UnknownName,
)
from knhk.model import Connector, Expression, Moment, OperationSignature, ParameterSignature

from .conftest import Install, in_thread

CALL = Call(case="c1", workflow="w", task="t", item=1, attempt=1)

SHELF = '''
import threading
from datetime import timedelta
from pydantic import BaseModel, SecretStr
from knhk.call import Call
from knhk.connect import Connector, operation
from knhk.errors import ConnectorError

class ShelfSettings(BaseModel, extra="forbid"):
    size: int
    key: SecretStr = SecretStr("")
    wait: timedelta | None = None

class Shelf(Connector[ShelfSettings]):
    """Keeps things."""

    Settings = ShelfSettings
    log: list[str] = []

    async def open(self) -> None:
        self.log.append("open")

    async def close(self) -> None:
        self.log.append("close")

    @operation
    async def put(self, names: list[str], call: Call, *, count: int = 1) -> dict[str, int]:
        """Put things on it."""
        return {f"{name} {call.idempotency_key}": count for name in names}

    @operation
    def thread(self) -> str:
        return threading.current_thread().name

    @operation
    async def fall(self) -> None:
        raise ConnectorError("it fell", retryable=True)

    def not_offered(self) -> None: ...
'''


def given(value: object) -> Expression:
    return Expression(repr(value), lambda data, moment: value)


def shelf(**settings: object) -> Connector:
    return Connector("mine", "shelf", tuple((k, given(v)) for k, v in settings.items()))


@pytest.fixture
def shelves(install: Install) -> None:
    sys.modules.pop("shelf_connector", None)
    install("shelf", "shelf_connector:Shelf", SHELF)


@pytest.mark.usefixtures("shelves")
def test_a_type_is_listed_without_being_imported() -> None:
    assert "shelf" in connector_names()
    assert "shelf_connector" not in sys.modules


@pytest.mark.usefixtures("shelves")
def test_the_checker_learns_settings_and_operations_in_the_words_of_the_language() -> None:
    signature = connector_signature("shelf")
    assert signature is not None
    assert signature.doc == "Keeps things."
    assert [(p.name, p.type, p.required) for p in signature.settings] == [
        ("size", "int", True),
        ("key", "str", False),
        ("wait", "duration?", False),
    ]
    assert dict(signature.operations)["put"] == OperationSignature(
        (
            ParameterSignature("names", "list[str]"),
            ParameterSignature("count", "int", required=False, keyword_only=True),
        ),
        "dict[str, int]",
        "Put things on it.",
    )
    assert [name for name, _ in signature.operations] == ["fall", "put", "thread"]


def test_a_type_that_is_not_installed_is_unknown() -> None:
    assert connector_signature("nowhere") is None
    with pytest.raises(UnknownName, match="there is no connector type 'nowhere'"):
        connector_type("nowhere")


def test_a_package_that_cannot_be_imported_is_named(install: Install) -> None:
    install("broken", "broken_connector:Broken", "raise RuntimeError('no luck')")
    with pytest.raises(ConnectorUnavailable, match="of knhk-broken cannot be imported: RuntimeErr"):
        connector_type("broken")


def test_a_class_that_is_no_connector_is_refused(install: Install) -> None:
    install("plain", "plain_connector:Plain", "class Plain: ...")
    with pytest.raises(ConnectorUnavailable, match="is no connector type"):
        connector_type("plain")


@pytest.mark.anyio
@pytest.mark.usefixtures("shelves")
async def test_an_instance_is_opened_once_before_its_first_call_and_closed_with_the_pool() -> None:
    log = connector_type("shelf").log  # type: ignore[attr-defined]
    pool = ConnectorPool(in_thread)
    spec = shelf(size=3)
    assert log == []
    result = await pool.call(spec, "put", [["x"]], {"count": 2}, CALL)
    assert result == {"x c1:1:1": 2}
    await pool.call(shelf(size=3), "put", [["y"]], {}, CALL)
    assert log == ["open"]
    await pool.aclose()
    assert log == ["open", "close"]


@pytest.mark.anyio
@pytest.mark.usefixtures("shelves")
async def test_a_plain_operation_runs_in_a_worker_thread() -> None:
    pool = ConnectorPool(in_thread)
    name = await pool.call(shelf(size=1), "thread", [], {}, CALL)
    assert name != threading.current_thread().name
    await pool.aclose()


@pytest.mark.anyio
@pytest.mark.usefixtures("shelves")
async def test_what_an_operation_raises_reaches_the_caller() -> None:
    pool = ConnectorPool(in_thread)
    with pytest.raises(Exception, match="it fell") as caught:
        await pool.call(shelf(size=1), "fall", [], {}, CALL)
    assert getattr(caught.value, "retryable", None) is True
    await pool.aclose()


@pytest.mark.anyio
@pytest.mark.usefixtures("shelves")
async def test_settings_that_do_not_fit_are_named_and_no_secret_is_shown() -> None:
    pool = ConnectorPool(in_thread)
    spec = shelf(size="large", key="top-secret-key", colour="red")
    with pytest.raises(SettingsError) as caught:
        await pool.call(spec, "put", [[]], {}, CALL)
    assert sorted(misfit.path for misfit in caught.value.misfits) == ["colour", "size"]
    assert "top-secret-key" not in str(caught.value)
    assert caught.value.__cause__ is None


@pytest.mark.anyio
@pytest.mark.usefixtures("shelves")
async def test_a_setting_that_cannot_be_evaluated_is_an_expression_error() -> None:
    def missing(data: dict[str, object], moment: Moment) -> object:
        raise ExpressionError('env("SIZE")', "it is not set")

    spec = Connector("mine", "shelf", (("size", Expression('env("SIZE")', missing)),))
    with pytest.raises(ExpressionError, match="it is not set"):
        await ConnectorPool(in_thread).call(spec, "put", [[]], {}, CALL)


@pytest.mark.anyio
@pytest.mark.usefixtures("shelves")
async def test_arguments_that_do_not_fit_are_named_with_their_path() -> None:
    pool = ConnectorPool(in_thread)
    with pytest.raises(ArgumentError) as caught:
        await pool.call(shelf(size=1), "put", [["x", 2]], {"count": "many"}, CALL)
    assert [misfit.path for misfit in caught.value.misfits] == ["names[1]", "count"]
    await pool.aclose()


@pytest.mark.anyio
@pytest.mark.usefixtures("shelves")
async def test_check_names_a_missing_operation_and_an_event_loop_it_cannot_run_on(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    pool = ConnectorPool(in_thread)
    pool.check(shelf(size=1), "put")
    with pytest.raises(UnknownName, match="there is no operation of shelf 'not_offered'"):
        pool.check(shelf(size=1), "not_offered")
    monkeypatch.setattr(connector_type("shelf"), "backends", frozenset({"curio"}))
    with pytest.raises(ConnectorUnavailable, match=r"does not run on .*; run the engine on curio"):
        pool.check(shelf(size=1), "put")


@pytest.mark.anyio
@pytest.mark.usefixtures("shelves")
async def test_an_error_of_the_service_says_which_connector_it_came_from() -> None:
    pool = ConnectorPool(in_thread)
    with pytest.raises(ConnectorError) as caught:
        await pool.call(shelf(size=1), "fall", [], {}, CALL)
    assert caught.value.connector == "mine"
    await pool.aclose()


@pytest.mark.anyio
@pytest.mark.usefixtures("shelves")
async def test_nothing_is_opened_once_the_pool_is_closed() -> None:
    pool = ConnectorPool(in_thread)
    await pool.aclose()
    with pytest.raises(ConnectorUnavailable, match="the engine is stopping"):
        await pool.call(shelf(size=1), "put", [[]], {}, CALL)


def test_a_type_that_two_packages_bring_is_refused_with_both_named(install: Install) -> None:
    install("twin", "twin_one:Twin", "")
    install("twin", "twin_two:Twin", "", "other-twin")
    with pytest.raises(ConnectorUnavailable, match="brought by knhk-twin and other-twin"):
        connector_type("twin")
