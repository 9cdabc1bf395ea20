"""The seat reservation's events: one log, keyed by the order, in causal order."""

from datetime import timedelta
from typing import Annotated, Literal

from pydantic import Field

from clinic_lib.messages import Event, Id, LongText, Text
from clinic_lib.saga import Saga

__all__ = [
    "OrderCancelled",
    "OrderConfirmed",
    "OrderPlaced",
    "OrderStatus",
    "Quantity",
    "ReservationEvent",
    "SeatsRefused",
    "SeatsReleased",
    "SeatsReserved",
    "reservation",
]

OrderStatus = Literal["placed", "confirmed", "cancelled"]

Quantity = Annotated[int, Field(ge=1, le=2**63 - 1)]
"""How many seats: at least one, at most what fits PostgreSQL's bigint."""


class ReservationEvent(Event, topic="reservation", key="order_id"):
    """Something that happened to the order `order_id`."""

    order_id: Id


class OrderPlaced(ReservationEvent):
    """A customer wants seats of a block."""

    seat_id: Id
    quantity: Quantity
    customer: Text


class OrderConfirmed(ReservationEvent):
    """The seats are the customer's."""


class OrderCancelled(ReservationEvent, failure=True):
    """The order is called off; seats that were reserved for it are given back."""

    reason: LongText


class SeatsReserved(ReservationEvent):
    """The seats were free and are kept for the order."""

    seat_id: Id
    seat_name: Text
    quantity: Quantity


class SeatsRefused(ReservationEvent, failure=True):
    """Fewer seats are free than were wanted, or there is no such block (then it has no name either)."""

    seat_id: Id
    seat_name: Text | None = None
    reason: LongText


class SeatsReleased(ReservationEvent, fact=True):
    """The order was cancelled: its seats are free again."""

    seat_id: Id
    quantity: Quantity


reservation = Saga(
    "reservation",
    starts=OrderPlaced,
    ends=(OrderConfirmed, OrderCancelled),
    deadline=timedelta(minutes=15),
)
