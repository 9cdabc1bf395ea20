"""eventsourcing: two process applications that follow each other, and my page as a table of the second one's recorder.

https://eventsourcing.readthedocs.io/en/stable/topics/system.html: orders and blocks of seats are event-sourced
aggregates, so there are no rows of theirs; after the measurement they are written down from the aggregates for the
gate. My page's row is inserted in the transaction that stores the order's end, by an own recorder, as the
documentation's searchable content is. Aggregates are cached, not copied and not read again, since one process holds
them all; followers pull a hundred events at a time. (NewMultiThreadedRunner, which hands events over in memory, can't
be used: it ends with an IntegrityError when an application is saved to while it follows another, as the orders are.)
"""

import asyncio
import os
import sys
from collections.abc import Sequence
from typing import Any, ClassVar, cast
from urllib.parse import urlsplit
from uuid import NAMESPACE_OID, UUID, uuid5

import asyncpg
from eventsourcing.application import ProcessingEvent
from eventsourcing.dispatch import singledispatchmethod
from eventsourcing.domain import Aggregate, event
from eventsourcing.persistence import StoredEvent
from eventsourcing.postgres import PostgresProcessRecorder
from eventsourcing.system import MultiThreadedRunner, ProcessApplication, System

from tests.benchmarks.stopwatch import measure_in_one_database
from tests.benchmarks.workload import (
    BLOCKS,
    QUANTITY,
    Books,
    block_of,
    database_of,
    free_at_first,
    make_tables,
)

PULLED = 100
SHOW = (
    "insert into my_page (order_id, customer, seat_id, quantity, status, since, created_at, seat_name, "
    "reason, steps) "
    "values (%(number)s, %(customer)s, %(seat_id)s, %(quantity)s, %(status)s, now(), now(), %(seat_name)s, "
    "%(reason)s,"
    " jsonb_build_array(jsonb_build_object('status', 'placed', 'at', now()),"
    " jsonb_build_object('status', %(status)s::text, 'at', now())))"
)


class Block(Aggregate):
    """A block of seats."""

    @event("Created")
    def __init__(self, seat_id: int, name: str, free: int) -> None:
        self.seat_id, self.name, self.free = seat_id, name, free

    @staticmethod
    def create_id(seat_id: int) -> UUID:
        return uuid5(NAMESPACE_OID, f"block {seat_id}")

    def reserve(self, order_id: UUID, quantity: int) -> None:
        if self.free < quantity:
            self.refused(order_id, self.name, f"not enough seats: {quantity} wanted, {self.free} free")
        else:
            self.reserved(order_id, self.name, quantity)

    @event("Reserved")
    def reserved(self, order_id: UUID, seat_name: str, quantity: int) -> None:
        self.free -= quantity

    @event("Refused")
    def refused(self, order_id: UUID, seat_name: str, reason: str) -> None:
        pass


class Order(Aggregate):
    """An order; `number` is what the tables call its id."""

    @event("Placed")
    def __init__(self, number: int, seat_id: int, quantity: int, customer: str) -> None:
        self.number, self.seat_id, self.quantity, self.customer = number, seat_id, quantity, customer
        self.status, self.seat_name, self.reason = "placed", "", cast(str | None, None)

    @event("Confirmed")
    def confirm(self, seat_name: str) -> None:
        self.status, self.seat_name = "confirmed", seat_name

    @event("Cancelled")
    def cancel(self, seat_name: str, reason: str) -> None:
        self.status, self.seat_name, self.reason = "cancelled", seat_name, reason

    def page(self) -> dict[str, Any]:
        names = ("number", "customer", "seat_id", "quantity", "status", "seat_name", "reason")
        return {name: getattr(self, name) for name in names}


class PageRecorder(PostgresProcessRecorder):
    """Stores my page's rows with the events."""

    def _insert_events(self, curs: Any, stored_events: Sequence[StoredEvent], **kwargs: Any) -> None:
        super()._insert_events(curs, stored_events, **kwargs)
        if page := kwargs.get("page"):
            curs.execute(SHOW, page, prepare=True)


class Orders(ProcessApplication[UUID]):
    """First and third transaction."""

    log_section_size = pull_section_size = PULLED
    env: ClassVar[dict[str, str]] = {
        "PROCESS_RECORDER_TOPIC": "tests.benchmarks.peers.eventsourcing_peer:PageRecorder"
    }

    def place(self, n: int) -> None:
        self.save(Order(n + 1, block_of(n), QUANTITY, f"customer {n}"))

    @singledispatchmethod
    def policy(self, domain_event: Any, processing_event: ProcessingEvent[UUID]) -> None:
        """Other events are none of its business."""

    @policy.register
    def _(self, domain_event: Block.Reserved, processing_event: ProcessingEvent[UUID]) -> None:
        order: Order = self.repository.get(domain_event.order_id)
        order.confirm(domain_event.seat_name)
        processing_event.collect_events(order, page=order.page())

    @policy.register
    def _(self, domain_event: Block.Refused, processing_event: ProcessingEvent[UUID]) -> None:
        order: Order = self.repository.get(domain_event.order_id)
        order.cancel(domain_event.seat_name, domain_event.reason)
        processing_event.collect_events(order, page=order.page())


class Seats(ProcessApplication[UUID]):
    """Second transaction."""

    log_section_size = pull_section_size = PULLED

    @singledispatchmethod
    def policy(self, domain_event: Any, processing_event: ProcessingEvent[UUID]) -> None:
        """Other events are none of its business."""

    @policy.register
    def _(self, domain_event: Order.Placed, processing_event: ProcessingEvent[UUID]) -> None:
        block: Block = self.repository.get(Block.create_id(domain_event.seat_id))
        block.reserve(domain_event.originator_id, domain_event.quantity)
        processing_event.collect_events(block)


SYSTEM = System([[Orders, Seats, Orders]])


async def main(sagas: int) -> None:
    await make_tables(0)
    address = urlsplit(database_of("peer"))
    runner = MultiThreadedRunner[UUID](
        SYSTEM,
        env={
            "PERSISTENCE_MODULE": "eventsourcing.postgres",
            "POSTGRES_DBNAME": address.path.removeprefix("/"),
            "POSTGRES_HOST": str(address.hostname),
            "POSTGRES_PORT": str(address.port or 5432),
            "POSTGRES_USER": address.username or "postgres",
            "POSTGRES_PASSWORD": address.password or os.environ.get("DATABASE_PASSWORD", "none"),
            "POSTGRES_POOL_SIZE": "10",
            "AGGREGATE_CACHE_MAXSIZE": "100000",
            "AGGREGATE_CACHE_FASTFORWARD": "n",
            "DEEPCOPY_FROM_AGGREGATE_CACHE": "n",
        },
    )
    with runner:
        orders, seats = runner.get(Orders), runner.get(Seats)
        seats.save(*(Block(n, f"Stalls {n}", free_at_first(sagas)) for n in range(1, BLOCKS + 1)))

        def place_all() -> None:
            for n in range(sagas):
                orders.place(n)
            assert not runner.has_errored.is_set()

        async def work() -> None:
            await asyncio.to_thread(place_all)

        connection = await asyncpg.connect(database_of("peer"))
        books = Books(connection, connection, connection)
        result = await measure_in_one_database(sagas, work)
        await write_down(books, orders, seats)
        result.gate = await books.gate(sagas)
        await connection.close()
    result.tell()


async def write_down(books: Books, orders: Orders, seats: Seats) -> None:
    """The aggregates as rows, as they are stored and not as they are cached."""
    orders.repository.cache = seats.repository.cache = None
    originators = await books.order.fetch("select distinct originator_id from orders_events")
    for (originator_id,) in originators:
        order: Order = orders.repository.get(originator_id)
        await books.order.execute(
            'insert into "order" overriding system value values ($1, $2, $3, $4, $5, now(), $6)',
            *(order.number, order.seat_id, order.quantity, order.customer, order.status, order.reason),
        )
    await books.seat.execute("truncate seat")
    for n in range(1, BLOCKS + 1):
        block: Block = seats.repository.get(Block.create_id(n))
        await books.seat.execute(
            "insert into seat values ($1, $2, $3, $4, now())", n, block.name, block.free, block.free
        )


if __name__ == "__main__":
    asyncio.run(main(int(sys.argv[1])))
