"""A pool under a bad day: calls that overlap, and connectors that fail to open or close."""

from __future__ import annotations

import logging
import sys
from collections.abc import Callable

import anyio
import pytest

from knhk.call import Call
from knhk.connect import ConnectorPool, connector_type, pool
from knhk.errors import ArgumentError, ConnectorError, UnknownName
from knhk.model import Connector, Expression

from .conftest import Install, in_thread

CALL = Call(case="c1", workflow="w", task="t", item=1, attempt=1)

DOOR = """
import anyio
import anyio.lowlevel
from pydantic import BaseModel
from knhk.connect import Connector, operation
from knhk.errors import ConnectorError

class DoorSettings(BaseModel):
    name: str = "front"

class Door(Connector[DoorSettings]):
    Settings = DoorSettings
    log: list[str] = []
    refusals = 0
    hanging = ""
    reached = None

    async def open(self):
        self.log.append("open")
        if self.hanging == "open":
            self.reached.set()
            await anyio.sleep_forever()
        await anyio.lowlevel.checkpoint()
        if Door.refusals:
            Door.refusals -= 1
            raise ConnectorError("the door is stuck", retryable=True)

    async def close(self):
        self.log.append("close " + self.settings.name)
        if self.hanging == "close":
            await anyio.sleep_forever()
        if self.hanging == "raise on close":
            raise OSError("broken hinge")

    @operation
    async def knock(self, *, loudly: bool = False, **said: int) -> dict[str, object]:
        return {"loudly": loudly, **said}
"""


def door(name: str = "front") -> Connector:
    return Connector("mine", "door", (("name", Expression(repr(name), lambda _d, _m: name)),))


@pytest.fixture
def kind(install: Install) -> Callable[..., type]:
    sys.modules.pop("door_connector", None)
    install("door", "door_connector:Door", DOOR)

    def configured(**attributes: object) -> type:
        found = connector_type("door")
        for name, value in attributes.items():
            setattr(found, name, value)
        return found

    return configured


@pytest.mark.anyio
async def test_calls_that_overlap_open_an_instance_once(kind: Callable[..., type]) -> None:
    connectors = ConnectorPool(in_thread)
    async with anyio.create_task_group() as tasks:
        for _ in range(20):
            tasks.start_soon(connectors.call, door(), "knock", [], {}, CALL)
    await connectors.aclose()

    assert ["open", "close front"] == kind().log  # type: ignore[attr-defined]


@pytest.mark.anyio
async def test_different_settings_are_different_instances_and_all_are_closed(
    kind: Callable[..., type],
) -> None:
    connectors = ConnectorPool(in_thread)
    for name in ("front", "back"):
        await connectors.call(door(name), "knock", [], {}, CALL)
    await connectors.aclose()

    expected = ["close back", "close front", "open", "open"]
    assert expected == sorted(kind().log)  # type: ignore[attr-defined]


@pytest.mark.anyio
async def test_an_open_that_fails_is_cleaned_up_and_tried_anew_by_the_next_call(
    kind: Callable[..., type],
) -> None:
    found = kind(refusals=1)
    connectors = ConnectorPool(in_thread)

    with pytest.raises(ConnectorError, match="the door is stuck"):
        await connectors.call(door(), "knock", [], {}, CALL)
    result = await connectors.call(door(), "knock", [], {}, CALL)
    await connectors.aclose()

    assert {"loudly": False} == result
    assert ["open", "close front", "open", "close front"] == found.log  # type: ignore[attr-defined]


@pytest.mark.anyio
async def test_a_call_cancelled_while_it_opens_leaves_nothing_open_and_blocks_nobody(
    kind: Callable[..., type],
) -> None:
    reached = anyio.Event()
    found = kind(hanging="open", reached=reached)
    connectors = ConnectorPool(in_thread)
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(connectors.call, door(), "knock", [], {}, CALL)
        await reached.wait()
        tasks.cancel_scope.cancel()
    assert ["open", "close front"] == found.log  # type: ignore[attr-defined]

    kind(hanging="")
    with anyio.fail_after(5):
        assert {"loudly": False} == await connectors.call(door(), "knock", [], {}, CALL)
    await connectors.aclose()


@pytest.mark.anyio
@pytest.mark.parametrize(
    ("hanging", "told"),
    [
        ("close", "closing connector mine took over 0 s"),
        ("raise on close", "closing connector mine failed: OSError"),
    ],
)
async def test_a_connector_that_does_not_close_is_told_of_and_the_others_close(
    hanging: str,
    told: str,
    kind: Callable[..., type],
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    monkeypatch.setattr(pool, "CLOSE_S_MAX", 0.0)
    found = kind(hanging=hanging)
    connectors = ConnectorPool(in_thread)
    for name in ("front", "back"):
        await connectors.call(door(name), "knock", [], {}, CALL)

    with caplog.at_level(logging.WARNING, "knhk.connect"):
        await connectors.aclose()

    assert [told, told] == caplog.messages
    closed = [line for line in found.log if line != "open"]  # type: ignore[attr-defined]
    assert ["close back", "close front"] == sorted(closed)


@pytest.mark.anyio
@pytest.mark.usefixtures("kind")
async def test_further_named_arguments_are_checked_one_by_one() -> None:
    connectors = ConnectorPool(in_thread)
    expected = {"loudly": True, "once": 1, "twice": 2}
    given = {"loudly": True, "once": 1, "twice": 2}
    assert expected == await connectors.call(door(), "knock", [], given, CALL)

    with pytest.raises(ArgumentError) as caught:
        await connectors.call(door(), "knock", [], {"once": 1, "twice": "x"}, CALL)
    assert ["twice"] == [misfit.path for misfit in caught.value.misfits]
    with pytest.raises(ArgumentError, match="knock: too many positional arguments"):
        await connectors.call(door(), "knock", ["x"], {}, CALL)
    with pytest.raises(UnknownName, match="there is no operation 'open'"):
        await connectors.call(door(), "open", [], {}, CALL)
    await connectors.aclose()
