"""The three local transactions, as SQLAlchemy statements: what every peer that uses it executes."""

from dataclasses import asdict, dataclass
from typing import Any

from sqlalchemy import text

from tests.benchmarks.workload import QUANTITY, block_of

__all__ = [
    "END",
    "FREE",
    "PLACE",
    "RESERVE",
    "SHOW",
    "Order",
    "Outcome",
    "end",
    "place",
    "reserve",
    "too_few",
    "wanted",
]

PLACE = text(
    'insert into "order" (seat_id, quantity, customer, status, created_at) '
    "values (:seat_id, :quantity, :customer, 'placed', now()) returning order_id"
)
RESERVE = text(
    "update seat set free = free - :quantity where seat_id = :seat_id and free >= :quantity returning name"
)
FREE = text("select name, free from seat where seat_id = :seat_id")
END = text('update "order" set status = :status, reason = :reason where order_id = :order_id')
SHOW = text(
    "insert into my_page (order_id, customer, seat_id, quantity, status, since, created_at, seat_name, "
    "reason, steps) "
    "values (:order_id, :customer, :seat_id, :quantity, :status, now(), now(), :seat_name, :reason, "
    "jsonb_build_array("
    "jsonb_build_object('status', 'placed', 'at', now()), jsonb_build_object('status', cast(:status as "
    "text), 'at', now())))"
)


@dataclass
class Order:
    """What a customer wants."""

    seat_id: int
    quantity: int
    customer: str


@dataclass
class Outcome:
    """What became of it: confirmed without a reason, or cancelled with one."""

    seat_name: str
    reason: str | None = None

    @property
    def status(self) -> str:
        return "cancelled" if self.reason else "confirmed"


def wanted(n: int) -> Order:
    """The nth order."""
    return Order(block_of(n), QUANTITY, f"customer {n}")


def too_few(quantity: int, free: int) -> str:
    """The reason of a refusal."""
    return f"not enough seats: {quantity} wanted, {free} free"


async def place(session: Any, order: Order) -> int:
    """First transaction: answers with the order's id."""
    return int((await session.execute(PLACE, asdict(order))).scalar_one())


async def reserve(session: Any, order: Order) -> Outcome:
    """Second transaction."""
    name = (await session.execute(RESERVE, asdict(order))).scalar_one_or_none()
    if name is not None:
        return Outcome(name)
    name, free = (await session.execute(FREE, asdict(order))).one()
    return Outcome(name, too_few(order.quantity, free))


async def end(session: Any, order_id: int, order: Order, outcome: Outcome) -> None:
    """Third transaction: the order and my page."""
    values = {**asdict(order), **asdict(outcome), "order_id": order_id, "status": outcome.status}
    await session.execute(END, values)
    await session.execute(SHOW, values)
