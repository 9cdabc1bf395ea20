"""The floor's rows and rules: what its three services do about events, each with a statement or two for a poll."""

from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from typing import Any, TypeAlias

import asyncpg
import orjson

from tests.benchmarks.workload import QUANTITY

__all__ = ["STATUS", "Connection", "Event", "Reservation", "literal"]

Event = dict[str, Any]
Connection: TypeAlias = "asyncpg.Connection[asyncpg.Record]"

STATUS = {"OrderPlaced": "placed", "OrderConfirmed": "confirmed", "OrderCancelled": "cancelled"}
PAGE = ("customer", "seat_id", "quantity", "seat_name", "reason")
SHOW = """
insert into my_page as p (order_id, status, since, customer, seat_id, quantity, seat_name, reason, steps, created_at)
select order_id, status, coalesce(since, now()), customer, seat_id, quantity, seat_name, reason, steps, now()
from unnest(
    $1::text::bigint[], $2::text::text[], $3::text::timestamptz[], $4::text::text[], $5::text::bigint[],
    $6::text::bigint[], $7::text::text[], $8::text::text[], $9::text::jsonb[]
) as e (order_id, status, since, customer, seat_id, quantity, seat_name, reason, steps)
on conflict (order_id) do update set
    status = case when excluded.status = 'placed' then p.status else excluded.status end,
    since = greatest(p.since, excluded.since),
    customer = coalesce(p.customer, excluded.customer),
    seat_id = coalesce(p.seat_id, excluded.seat_id),
    quantity = coalesce(p.quantity, excluded.quantity),
    seat_name = coalesce(p.seat_name, excluded.seat_name),
    reason = coalesce(excluded.reason, p.reason),
    steps = case when excluded.status = 'placed' then excluded.steps || p.steps else p.steps || excluded.steps end
"""


class Reservation:
    """The three services' rows and rules."""

    def __init__(self, run: str) -> None:
        self.placed, self.seats, self.ended = (f"{name}-{run}" for name in ("placed", "seats", "ended"))

    async def place(
        self, connection: Connection, wanted: Sequence[tuple[int, str]]
    ) -> list[tuple[str, Event]]:
        """A group of commands: each wants seats of a block, for a customer."""
        now = datetime.now(UTC)
        rows = await connection.fetch(
            'insert into "order" (seat_id, quantity, customer, status, created_at) '
            "select seat_id, $3, customer, 'placed', $4 from unnest($1::text::bigint[], $2::text::text[]) "
            "with ordinality as o (seat_id, customer, place) order by place returning order_id",
            literal(seat_id for seat_id, _ in wanted),
            literal(customer for _, customer in wanted),
            QUANTITY,
            now,
        )
        placed = {"type": "OrderPlaced", "quantity": QUANTITY, "at": now.isoformat()}
        return [
            (self.placed, {**placed, "order_id": row[0], "seat_id": seat_id, "customer": customer})
            for row, (seat_id, customer) in zip(rows, wanted, strict=True)
        ]

    async def reserve(self, connection: Connection, events: Sequence[Event]) -> list[tuple[str, Event]]:
        """The seats: a block's row is locked, its orders take turns in memory."""
        rows = await connection.fetch(
            "select seat_id, name, free from seat where seat_id = any((select $1::text::bigint[])::bigint[]) "
            "order by 1 for update",
            literal({event["seat_id"] for event in events}),
        )
        name, free = {row[0]: row[1] for row in rows}, {row[0]: row[2] for row in rows}
        caused = []
        for event in events:
            block, quantity = event["seat_id"], event["quantity"]
            answer = {"order_id": event["order_id"], "seat_id": block, "seat_name": name[block]}
            if free[block] < quantity:
                reason = f"not enough seats: {quantity} wanted, {free[block]} free"
                answer |= {"type": "SeatsRefused", "reason": reason}
            else:
                free[block] -= quantity
                answer |= {"type": "SeatsReserved", "quantity": quantity}
            caused.append((self.seats, answer))
        await connection.fetch(
            "update seat s set free = n.free from unnest($1::text::bigint[], $2::text::bigint[]) as n (seat_id, free) "
            "where s.seat_id = n.seat_id",
            literal(free),
            literal(free.values()),
        )
        return caused

    async def end(self, connection: Connection, events: Sequence[Event]) -> list[tuple[str, Event]]:
        """The orders: confirmed, or cancelled with the reason."""
        at = datetime.now(UTC).isoformat()
        caused: list[tuple[str, Event]] = []
        for event in events:
            ended = {"order_id": event["order_id"], "at": at}
            if event["type"] == "SeatsReserved":
                ended |= {"type": "OrderConfirmed"}
            else:
                ended |= {"type": "OrderCancelled", "reason": event["reason"]}
            caused.append((self.ended, ended))
        await connection.fetch(
            'update "order" o set status = e.status, reason = e.reason '
            "from unnest($1::text::bigint[], $2::text::text[], $3::text::text[]) as e (order_id, status, reason) "
            "where o.order_id = e.order_id and o.status = 'placed'",
            literal(event["order_id"] for _, event in caused),
            literal(STATUS[event["type"]] for _, event in caused),
            literal(event.get("reason") for _, event in caused),
        )
        return caused

    async def show(self, connection: Connection, events: Sequence[Event]) -> list[tuple[str, Event]]:
        """My page: an order's events, from three topics, may come in any order; each knows other columns."""
        pages: dict[int, Event] = {}
        for event in events:
            page = pages.setdefault(event["order_id"], {"status": "placed", "steps": [], "at": None})
            page |= {name: event[name] for name in PAGE if name in event}
            if status := STATUS.get(event["type"]):
                if status != "placed" or page["status"] == "placed":
                    page["status"], page["at"] = status, event["at"]
                place = 0 if status == "placed" else 1
                page["steps"].insert(place, {"status": status, "at": event["at"]})
        await connection.fetch(
            SHOW,
            literal(pages),
            *(literal(page.get(name) for page in pages.values()) for name in ("status", "at", *PAGE)),
            literal(orjson.dumps(page["steps"]).decode() for page in pages.values()),
        )
        return []


def literal(values: Iterable[Any]) -> str:
    """An array as PostgreSQL reads it, where the driver writes value by value. Its texts have no control characters."""
    return f"{{{orjson.dumps(list(values)).decode()[1:-1]}}}"
