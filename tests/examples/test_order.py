"""The order example runs as its README says, also when it is killed in the middle."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

ORDER = Path(__file__).parents[2] / "examples" / "order"
SHELVES = {"chair": 80, "desk": 20, "lamp": 100, "rug": 8}


@pytest.fixture
def shop(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("SHOP_STATE", str(tmp_path))
    return tmp_path


def start(shop: Path, order: str) -> subprocess.Popen[str]:
    command = [sys.executable, str(ORDER / "run.py"), order, "--store", str(shop / "orders.db")]
    return subprocess.Popen(
        command,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )


def stock(shop: Path) -> dict[str, dict[str, object]]:
    found: dict[str, dict[str, object]] = json.loads((shop / "stock.json").read_text())
    return found


@pytest.mark.parametrize(
    ("order", "expected", "held"),
    [
        (
            "small",
            {"order": "S-1001", "total": "138.80", "tracking": "KNE0ED7CD2"},
            {"lamp": 2, "rug": 1},
        ),
        (
            "big",
            {"order": "B-2001", "total": "3115.20", "tracking": "KN3AD20202"},
            {"desk": 4, "chair": 8, "lamp": 8},
        ),
        ("declined", {"order": "D-3001", "total": "7190.00", "tracking": ""}, None),
    ],
)
def test_each_order_comes_to_its_receipt(
    shop: Path, order: str, expected: dict[str, str], held: dict[str, int] | None
) -> None:
    out, err = start(shop, order).communicate(timeout=100)

    assert expected == json.loads(out), err
    assert held == stock(shop)["held"].get(expected["order"])
    shelves = {sku: n - (held or {}).get(sku, 0) for sku, n in SHELVES.items()}
    assert shelves == stock(shop)["shelves"]
    labels = [path.stem for path in shop.glob("labels/*.txt")]
    assert [expected["tracking"]] * bool(held) == labels


def test_an_order_that_is_killed_goes_on(shop: Path) -> None:
    running = start(shop, "small")
    assert running.stderr is not None
    for line in running.stderr:  # until the first task is done
        if line.endswith("hold completed\n"):
            break
    os.killpg(running.pid, signal.SIGKILL)
    running.communicate(timeout=10)

    out, err = start(shop, "resume").communicate(timeout=100)

    answer = json.loads(out)
    assert ("completed", "S-1001") == (answer["status"], answer["result"]["order"]), err
    assert {"S-1001": {"lamp": 2, "rug": 1}} == stock(shop)["held"]
