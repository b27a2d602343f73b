"""pm4py's Woflan agrees on nets of AND and XOR alone, as they are exported to PNML.

Woflan's soundness is that of workflow nets: a case ends once, with nothing left. A case here may
end in several threads. So the two are compared where no case does, and of all others Woflan must
say that they are not sound. Needs the dependency group ``oracles``.
"""

from __future__ import annotations

import os
import random
from collections import deque
from pathlib import Path

import pytest

from knhk.model import JOIN_AND, NODE_END, SPLIT_AND, Net
from knhk.pictures import pnml
from knhk.soundness import Answer, prove
from tests.orjoin.drawing import net as drawn

pm4py = pytest.importorskip("pm4py")
Marking = pytest.importorskip("pm4py.objects.petri_net.obj").Marking

NETS = int(os.environ.get("KNHK_SOUNDNESS_NETS", "60"))
STATES_MAX = 3_000


def workflow_net(seed: int) -> Net:
    """A random net with one beginning and one end: sequences, blocks, loops, and mistakes."""
    choose = random.Random(seed)
    count = choose.randint(3, 7)
    into: list[list[str]] = [[] for _ in range(count)]
    out: list[list[str]] = [[] for _ in range(count)]
    into[0].append("start")
    for number in range(1, count):
        for before in choose.sample(range(number), min(number, choose.choice([1, 1, 2]))):
            into[number].append(f"p{before}_{number}")
            out[before].append(f"p{before}_{number}")
    if choose.random() < 0.4:
        late, early = count - 1, choose.randint(1, count - 1)
        into[early].append(f"back{late}_{early}")
        out[late].append(f"back{late}_{early}")
    lines = ["marked start"]
    for number in range(count):
        if not out[number] or number == count - 1:
            out[number].append("done")
        join = choose.choice(["and", "xor"]) if len(into[number]) > 1 else "xor"
        split = choose.choice(["all", "one"]) if len(out[number]) > 1 else "all"
        ways = ", ".join(f"{place}?" if split == "one" else place for place in out[number])
        lines.append(f"task t{number} = {join} {', '.join(into[number])} -> {split} {ways}")
    lines.append("end e = xor done -> all")
    return drawn("\n".join(lines))


def ends_once(net: Net) -> bool | None:
    """Whether no case reaches its end with anything left; ``None`` if there are too many states."""
    start = tuple(place.tokens for place in net.places)
    (end,) = [place for node in net.nodes if node.kind == NODE_END for place in node.inputs]
    seen = {start}
    line = deque([start])
    while line:
        here = line.popleft()
        if here[end] and sum(here) > 1:
            return False
        for node in net.nodes:
            if node.kind == NODE_END:
                continue
            bundles = [node.inputs] if node.join == JOIN_AND else [(p,) for p in node.inputs]
            places = [arrow.place for arrow in node.outputs]
            ways = [places] if node.split == SPLIT_AND else [[place] for place in places]
            for bundle in bundles:
                if not all(here[place] for place in bundle):
                    continue
                for way in ways:
                    after = list(here)
                    for place in bundle:
                        after[place] -= 1
                    for place in way:
                        after[place] += 1
                    if tuple(after) not in seen:
                        seen.add(tuple(after))
                        line.append(tuple(after))
        if len(seen) > STATES_MAX:
            return None
    return True


@pytest.mark.filterwarnings("ignore")
def test_woflan_agrees_on_exported_nets(tmp_path: Path) -> None:
    compared = sound = 0
    for seed in range(NETS):
        net = workflow_net(seed)
        once = ends_once(net)
        file = tmp_path / f"{seed}.pnml"
        file.write_text(pnml(net), encoding="utf-8")
        read, initial, _ = pm4py.read_pnml(str(file))
        if once is None or not pm4py.check_is_workflow_net(read):
            continue
        (sink,) = [place for place in read.places if not place.out_arcs]
        final = Marking({sink: 1})
        theirs = bool(pm4py.check_soundness(read, initial, final)[0])
        ours = prove(net).answer
        assert ours is not Answer.unknown
        assert theirs == (once and ours is Answer.sound), f"seed {seed}"
        compared += 1
        sound += theirs
    print(f"\nWoflan agrees on {compared} of {NETS} nets, {sound} of them sound")
    assert compared > NETS // 3
    assert 0 < sound < compared
