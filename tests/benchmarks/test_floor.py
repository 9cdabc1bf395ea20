"""The floor's rows: they are right whatever comes first, and arrays arrive as they were sent."""

from collections.abc import Awaitable, Callable
from itertools import permutations
from typing import Any

import asyncpg
import uvloop

from tests.benchmarks.floor_rules import Connection, Event, Reservation, literal
from tests.benchmarks.ground import Servers, fresh_run
from tests.benchmarks.workload import TABLES

PLACED: Event = {
    "type": "OrderPlaced",
    "seat_id": 1,
    "quantity": 3,
    "customer": "Ada Byron",
    "at": "2026-01-01T10:00:00Z",
}
RESERVED: Event = {"type": "SeatsReserved", "seat_id": 1, "quantity": 3, "seat_name": "Stalls 1"}
CONFIRMED: Event = {"type": "OrderConfirmed", "at": "2026-01-01T10:00:01Z"}
SHOWN = "select status, seat_id, quantity, customer, seat_name, reason, steps from my_page"


def on_my_page(ground: Servers, work: Callable[[Connection], Awaitable[Any]]) -> Any:
    """What `work` answers on a database with my page's table."""

    async def run() -> Any:
        async with fresh_run(ground, ["my_page"]) as run:
            connection = await asyncpg.connect(run.database("my_page"))
            try:
                await connection.execute(TABLES["my_page"])
                return await work(connection)
            finally:
                await connection.close()

    return uvloop.run(run())


def test_a_page_is_the_same_in_whatever_order_its_events_come(ground: Servers) -> None:
    """In one poll, in two, and each in its own."""

    async def pages(connection: Connection) -> list[tuple[Any, ...]]:
        polls: list[list[list[Event]]] = []
        for first, second, third in permutations((PLACED, RESERVED, CONFIRMED)):
            polls += [[[first, second, third]], [[first, second], [third]]]
            polls += [[[first], [second, third]], [[first], [second], [third]]]
        for order_id, each in enumerate(polls, 1):
            for events in each:
                await Reservation("").show(connection, [{**event, "order_id": order_id} for event in events])
        return [tuple(row) for row in await connection.fetch(SHOWN)]

    shown = on_my_page(ground, pages)

    (page,) = set(shown)
    assert len(shown) == 24
    assert page[0] == "confirmed"
    assert page[6].index("placed") < page[6].index("confirmed")


def test_arrays_arrive_as_they_were_sent(ground: Servers) -> None:
    sent = ["Ada, the first", 'she said "{}"', "back\\slash", "null", "", None, "ü"]

    async def returned(connection: Connection) -> Any:
        return await connection.fetchval("select $1::text::text[]", literal(sent))

    assert on_my_page(ground, returned) == sent
