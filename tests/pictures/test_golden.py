"""Golden files: a workflow, and what it is in every text form.

``cases/NAME.knhk`` becomes ``NAME.mmd``, ``NAME.dot`` and ``NAME.json``, and ``NAME.pnml`` or,
where that cannot be, ``NAME.refused.txt``. To add a case, add the source and run pytest with
``KNHK_UPDATE_GOLDEN=1``; then read what came out.
"""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from knhk.errors import InexpressibleNet
from knhk.pictures import as_json, dot, mermaid, pnml

from .nets import CASES, DEADLOCK, case

RUNS = {"deadlock": DEADLOCK}


def compare(golden: Path, actual: str) -> None:
    if os.environ.get("KNHK_UPDATE_GOLDEN"):
        golden.write_text(actual, encoding="utf-8")
    assert golden.read_text(encoding="utf-8") == actual


@pytest.mark.parametrize("name", sorted(path.stem for path in CASES.glob("*.knhk")))
def test_a_workflow_becomes_what_is_in_the_golden_files(name: str) -> None:
    net, run = case(name), RUNS.get(name)

    compare(CASES / f"{name}.mmd", mermaid(net, run))
    compare(CASES / f"{name}.dot", dot(net, run))
    compare(CASES / f"{name}.json", as_json(net, run))
    try:
        exported = pnml(net)
    except InexpressibleNet as error:
        compare(CASES / f"{name}.refused.txt", f"{error}\n")
    else:
        compare(CASES / f"{name}.pnml", exported)
