"""Sources of any size for the checker: a workflow with something of everything.

A stage is ten tasks. It has Python callees with inline signatures, keyword arguments,
attributes of every common kind, records, guards with several operators, an AND-block with a
multiple-instance branch, a choice, a loop, an exception flow and a comprehension. A source of
n tasks is n / 10 stages, one after another.
"""

from __future__ import annotations

TASKS_PER_STAGE = 10

HEAD = '''"""A workflow of {tasks} tasks."""

from shop.handlers use fetch(order: int, limit: int) -> list[Item]
from shop.handlers use price(items: list[Item], express: bool) -> Quote
from shop.handlers use weigh(items: list[Item]) -> float
from shop.handlers use pack(item: Item, weight: float) -> Parcel
from shop.handlers use review(quote: Quote, note: str) -> Verdict
from shop.handlers use ship(parcels: list[Parcel]) -> Verdict
from shop.handlers use tell(note: str)

enum Size: small, medium, large

record Item
    sku: str
    price: decimal
    quantity: int = 1

record Quote
    total: decimal
    discount: float = 0.0
    lines: list[Item] = []

record Parcel
    code: str
    size: Size
    weight: float

record Verdict
    ok: bool
    score: int
    reason: str?

policy patient
    retry 5 every 200ms backoff 2 up to 5s jitter 10%
    timeout 30s

workflow big(order: int, express: bool = false) -> int
    """Every stage fetches, quotes, weighs and packs, has it reviewed, ships."""

    var spent: decimal = 0
    var shipped: int = 0

'''

TASKS = """\
    task fetch_{n} = fetch(order + {n}, limit: 100)
        retry 3 every 100ms backoff 2
        timeout 10s
    task price_{n} = price(fetch_{n}, express: express and len(fetch_{n}) < 50)
        uses patient
        sets spent = spent + price_{n}.total
    task weigh_{n} = weigh([item for item in fetch_{n} if item.quantity > 0])
        timeout 2m
    task pack_{n} = pack(item, weight: 1.5 * {n})
        for each item in fetch_{n}
        at most 8 at once
    task manual_{n} = review(price_{n}, note: "order {{order}} in stage {n} needs a look")
        retry 1 every 1s
    task quick_{n} = review(price_{n}, "stage {n}")
    task ship_{n} = ship(pack_{n})
        sets shipped = shipped + len(pack_{n})
    task settle_{n}
    task refuse_{n} = tell("stage {n} of order {{order}} was refused")
    task close_{n} = tell("stage {n}: {{shipped}} shipped" if shipped > 0 else "nothing")

"""

FLOW = """\
        fetch_{n} -> all(price_{n}, weigh_{n}, pack_{n}) -> one(
            manual_{n} when price_{n}.total > 1000 and weigh_{n} >= 2.5,
            quick_{n} when sum(item.price * item.quantity for item in fetch_{n}) > 10,
            skip otherwise,
        ) -> repeat(ship_{n} -> settle_{n}) until ship_{n}.ok or ship_{n}.score > {n} -> close_{n}
        fetch_{n} -> refuse_{n} on error Declined
        refuse_{n} -> close_{n}
        close_{n} -> {following}
"""


def source(tasks: int) -> str:
    """The text of a workflow of that many tasks, a multiple of ten."""
    stages, rest = divmod(tasks, TASKS_PER_STAGE)
    if rest or not stages:
        raise ValueError(f"{tasks} is not a positive multiple of {TASKS_PER_STAGE}")
    parts = [HEAD.replace("{tasks}", str(tasks))]
    parts += [TASKS.format(n=number) for number in range(stages)]
    parts += ["    flow\n", "        start -> fetch_0\n"]
    for number in range(stages):
        following = f"fetch_{number + 1}" if number + 1 < stages else "end"
        parts.append(FLOW.format(n=number, following=following))
    parts.append("\n    return shipped\n")
    return "".join(parts)
