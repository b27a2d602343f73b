"""The inner loop of the token game, beside the same loop in C.

Nets of routing nodes only: they go on for ever, so the kernel stops them at its bound of
``FIRINGS_MAX`` firings after one input and the case fails with ``Livelock``. What is timed is
that one public call, ``case.apply(create)``, divided by the number of firings.
"""

from __future__ import annotations

import ctypes
import os
import shutil
import subprocess
import tempfile
import time
from collections.abc import Iterable, Iterator
from pathlib import Path

from measure import Measure, interleave, ratio
from report import Bar, Row

from knhk.kernel import Case, Program, routing
from knhk.model import CREATE, JOIN_AND, NODE_ROUTE, Arrow, Input, Net, Node, Place

FIRINGS: int = routing.FIRINGS_MAX
RING = 10
#: Runs of the loop in one turn, each of ``FIRINGS`` firings.
RUNS = 10
HERE = Path(__file__).parent


def ring(size: int) -> Net:
    """Routing nodes in a circle, one token, and a node that puts it there."""
    places = [Place(f"p{number}") for number in range(size)]
    nodes = [
        Node(f"n{number}", NODE_ROUTE, (number,), outputs=(Arrow((number + 1) % size),))
        for number in range(size)
    ]
    return _started(nodes, places)


def diamond() -> Net:
    """Five routing nodes in a circle: an AND-split, two branches of 1 and 2, an AND-join."""
    arrows = [((0,), (1, 2)), ((1,), (3,)), ((2,), (4,)), ((4,), (5,)), ((3, 5), (0,))]
    nodes = [
        Node(f"n{number}", NODE_ROUTE, inputs, JOIN_AND, tuple(Arrow(place) for place in outputs))
        for number, (inputs, outputs) in enumerate(arrows)
    ]
    return _started(nodes, [Place(f"p{number}") for number in range(6)])


def _started(nodes: list[Node], places: list[Place]) -> Net:
    first = Node("first", NODE_ROUTE, (len(places),), outputs=(Arrow(0),))
    return Net("routes", (*nodes, first), (*places, Place("start", tokens=1)))


def ours(net: Net) -> Measure:
    """Nanoseconds a firing of the kernel."""
    program = Program(net)
    expected = f"{FIRINGS} routing nodes passed"

    def measure() -> float:
        elapsed = 0
        for _ in range(RUNS):
            case = Case(program, "ring")
            create = Input(CREATE, 0, value={})
            begin = time.perf_counter_ns()
            case.apply(create)
            elapsed += time.perf_counter_ns() - begin
            if case.failure is None or not case.failure.message.startswith(expected):
                raise AssertionError(f"the case did not go round {FIRINGS} times: {case.failure}")
        return elapsed / FIRINGS / RUNS

    return measure


def build(directory: Path) -> ctypes.CDLL:
    """Compile ``c_loop.c``."""
    compiler = os.environ.get("CC") or shutil.which("cc") or "gcc"
    library = directory / "c_loop.so"
    subprocess.run(
        [compiler, "-O2", "-shared", "-fPIC", "-o", str(library), str(HERE / "c_loop.c")],
        check=True,
    )
    return ctypes.CDLL(str(library))


def _array(values: Iterable[int]) -> ctypes.Array[ctypes.c_int64]:
    values = list(values)
    return (ctypes.c_int64 * len(values))(*values)


def c_ring(library: ctypes.CDLL, size: int) -> Measure:
    """Nanoseconds a firing of the C loop over bit masks, the one of the design's table."""
    play = library.play_ring
    play.restype = ctypes.c_int64
    pointer = ctypes.POINTER(ctypes.c_int64)
    play.argtypes = [ctypes.c_int64, pointer, pointer, ctypes.c_int64, ctypes.c_int64]
    take = _array(1 << number for number in range(size))
    put = _array(1 << (number + 1) % size for number in range(size))

    def measure() -> float:
        elapsed = 0
        for _ in range(RUNS):
            begin = time.perf_counter_ns()
            marking = play(1, take, put, size, FIRINGS)
            elapsed += time.perf_counter_ns() - begin
            if marking != 1 << FIRINGS % size:
                raise AssertionError(f"the C loop ended with marking {marking}")
        return elapsed / FIRINGS / RUNS

    return measure


def c_net(library: ctypes.CDLL, net: Net) -> Measure:
    """Nanoseconds a firing of the C loop over counters, which plays any net."""
    play = library.play_net
    play.restype = ctypes.c_int64
    pointer = ctypes.POINTER(ctypes.c_int64)
    play.argtypes = [pointer] * 7 + [ctypes.c_int64, ctypes.c_int64]
    consumer = [-1] * len(net.places)
    for number, node in enumerate(net.nodes):
        for place in node.inputs:
            consumer[place] = number
    inputs = [list(node.inputs) for node in net.nodes]
    outputs = [[arrow.place for arrow in node.outputs] for node in net.nodes]
    tables = [*_rows(inputs), *_rows(outputs), _array(consumer)]
    first = len(net.nodes) - 1

    def measure() -> float:
        elapsed = 0
        for _ in range(RUNS):
            counts = _array(place.tokens for place in net.places)
            stack = _array([first] * (len(net.nodes) + 1))
            begin = time.perf_counter_ns()
            left = play(*tables, counts, stack, 1, FIRINGS)
            elapsed += time.perf_counter_ns() - begin
            if left != 0:
                raise AssertionError(f"the C loop stopped with {left} firings left")
        return elapsed / FIRINGS / RUNS

    return measure


def _rows(lists: list[list[int]]) -> Iterator[ctypes.Array[ctypes.c_int64]]:
    """Lists of numbers as two arrays: where each begins, and all their elements."""
    at = [0]
    for one in lists:
        at.append(at[-1] + len(one))
    yield _array(at)
    yield _array(number for one in lists for number in one)


def run(rounds: int) -> Iterator[Row]:
    """Measure both nets."""
    with tempfile.TemporaryDirectory() as directory:
        library = build(Path(directory))
        turns = 4 * rounds
        found = interleave({"knhk": ours(ring(RING)), "C": c_ring(library, RING)}, turns)
        yield Row(
            "kernel",
            f"firing in a ring of {RING} routing nodes",
            "ns",
            found["knhk"],
            "C -O2, bit masks",
            found["C"],
            ratio(found["knhk"], found["C"]),
            Bar("<=", 3),
        )
        net = diamond()
        found = interleave({"knhk": ours(net), "C": c_net(library, net)}, turns)
        yield Row(
            "kernel",
            "firing in a round of AND-split, three nodes, AND-join",
            "ns",
            found["knhk"],
            "C -O2, counters",
            found["C"],
            ratio(found["knhk"], found["C"]),
            note="the C loop keeps a stack; the kernel keeps net order and surplus tokens",
        )
