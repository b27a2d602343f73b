"""Exported nets, read and judged by pm4py's Woflan, which `nox -s oracles` installs."""

from __future__ import annotations

import warnings
from pathlib import Path

import pytest

from knhk.pictures import pnml

from .nets import flow

with warnings.catch_warnings():
    warnings.simplefilter("ignore")
    pm4py = pytest.importorskip("pm4py")

CASES = {
    "a sequence": (flow("a b c", "start -> a -> b -> c -> end"), True),
    "a block": (flow("a b c d", "start -> a -> all(b, c) -> d -> end"), True),
    "a loop": (flow("a b", "start -> repeat(a) until x -> b -> end", given="x: bool"), True),
    "a choice into an AND-join": (
        flow(
            "a b c", "start -> one(a when x, b otherwise)", "all(a, b) -> c -> end", given="x: bool"
        ),
        False,
    ),
    "threads that end one by one": (
        flow("a b", "start -> all(a, b)", "a -> end", "b -> end"),
        False,
    ),
}


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("name", CASES)
def test_woflan_reads_an_exported_net_and_judges_it(
    name: str, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    net, sound = CASES[name]
    path = tmp_path / "net.pnml"
    path.write_text(pnml(net), encoding="utf-8")

    read, first, last = pm4py.read_pnml(str(path), auto_guess_final_marking=True)

    assert sound == pm4py.check_soundness(read, first, last)[0]
    capfd.readouterr()  # Woflan prints its thoughts
