"""The seat reservation under load: what customers do, and what has to hold afterwards."""

import asyncio
from collections import defaultdict
from collections.abc import Sequence
from random import Random
from time import monotonic
from typing import NamedTuple

from clinic_lib.testing.invariants import (
    every_saga_ended,
    first_occurrences,
    in_order,
    nothing_lost,
    nothing_twice,
)
from clinic_lib.testing.system import Invariant, RunningSystem

__all__ = ["INVARIANTS", "Load", "make_blocks", "order_seats", "orders_are"]

STATUSES = {"OrderPlaced": "placed", "OrderConfirmed": "confirmed", "OrderCancelled": "cancelled"}
STEPS = """
select order_id, array(
    select step->>'status' from jsonb_array_elements(steps) with ordinality as s (step, nth) order by nth
) from my_page
"""
SEATS_EACH = 40
MOST_WANTED = 5
CANCELLED = 0.1
AHEAD = 0.1


class Load(NamedTuple):
    """So many orders, evenly over `seconds`, by `clients` at once, at the service `entry`.

    `with_faults`: not much faster than the plan's faults happen.
    """

    orders: int
    seconds: float
    clients: int = 10
    with_faults: bool = False
    entry: str = "order"


async def make_blocks(system: RunningSystem, blocks: int) -> list[int]:
    """Blocks of 40 seats; their ids."""
    return [await _block(system, number) for number in range(blocks)]


async def order_seats(system: RunningSystem, load: Load, blocks: Sequence[int]) -> list[int]:
    """Places the orders; a tenth is cancelled by the customer. Returns the orders' ids.

    Each request is repeated under its Idempotency-Key until it is answered, so an accepted order is a returned one.
    """
    began = monotonic()

    async def customer(number: int) -> list[int]:
        rng, each = Random(f"{system.seed} {number}"), load.orders // load.clients
        ids = []
        for nth in range(each):
            due = began + load.seconds * (nth + number / load.clients) / each
            await asyncio.sleep(due - monotonic())
            while load.with_faults and nth / each > system.faults_done + AHEAD:
                await asyncio.sleep(0.1)
            ids.append(await _order(system, load.entry, rng.choice(blocks), rng))
        return ids

    return [each for ids in await asyncio.gather(*map(customer, range(load.clients))) for each in ids]


async def _block(system: RunningSystem, number: int) -> int:
    answer = await system.post("seat", "/seats", {"name": f"block {number}", "seats": SEATS_EACH})
    assert answer.status_code == 201, answer.text
    return int(answer.json()["id"])


async def _order(system: RunningSystem, entry: str, block: int, rng: Random) -> int:
    body = {"seat_id": block, "quantity": rng.randint(1, MOST_WANTED), "customer": f"{rng.random()}"}
    answer = await system.post(entry, "/orders", body)
    assert answer.status_code == 201, answer.text
    order_id = int(answer.json()["id"])
    if rng.random() < CANCELLED:
        cancelled = await system.post(entry, f"/orders/{order_id}/cancellation", {})
        assert cancelled.status_code in (200, 409), cancelled.text
    return order_id


async def every_order_ended(system: RunningSystem) -> None:
    states = dict(await system.rows("order", 'select status, count(*) from "order" group by 1'))
    assert states.keys() <= {"confirmed", "cancelled"}, f"orders are {states}"


async def no_seat_is_sold_twice(system: RunningSystem) -> None:
    confirmed = await system.rows(
        "order", """select seat_id, sum(quantity)::int from "order" where status = 'confirmed' group by 1"""
    )
    taken = await system.rows("seat", "select seat_id, (seats - free)::int from seat where free < seats")
    assert sorted(taken) == sorted(confirmed), "block and seats: what is taken, and what is confirmed"


async def my_page_shows_the_orders(system: RunningSystem) -> None:
    columns = "order_id, customer, seat_id, quantity, status, reason"
    orders = await system.rows("order", f'select {columns} from "order" order by 1')
    pages = await system.rows("my_page", f"select {columns} from my_page order by 1")
    assert pages == orders, "order by order: what my page shows, and what it is"


async def my_page_shows_every_step_once(system: RunningSystem) -> None:
    """A projection publishes nothing: what it did twice, its rows alone tell."""
    steps: dict[int, list[str]] = defaultdict(list)
    for record in first_occurrences(await system.log()).values():
        if record.type in STATUSES:
            steps[int(record.key or 0)].append(STATUSES[record.type])
    pages = await system.rows("my_page", STEPS)
    assert dict(pages) == steps, "order by order: the steps that my page shows, and those in the log"


def orders_are(ids: list[int]) -> Invariant:
    """No accepted order was lost, none was placed twice."""

    async def the_orders_are_those_accepted(system: RunningSystem) -> None:
        stored = [row[0] for row in await system.rows("order", 'select order_id from "order" order by 1')]
        assert stored == sorted(ids), "the orders that exist, and those that were answered"

    return the_orders_are_those_accepted


INVARIANTS: tuple[Invariant, ...] = (
    nothing_lost,
    nothing_twice,
    in_order,
    every_saga_ended,
    every_order_ended,
    no_seat_is_sold_twice,
    my_page_shows_the_orders,
    my_page_shows_every_step_once,
)
