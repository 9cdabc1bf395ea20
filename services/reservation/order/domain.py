"""The order: placed by a customer, confirmed when its seats are reserved, cancelled when they can't be.

After a restore to an earlier time the log knows more than the table: orders that are gone here, and ends that
were published already. So what comes from the log looks at the row before it answers, and may find none.
"""

from datetime import datetime

from sqlalchemy.orm import DeclarativeBase, Mapped, MappedAsDataclass, mapped_column

from clinic_lib.errors import Refused
from clinic_lib.messages import Command, Id, Text
from clinic_lib.storage import COLUMN_TYPES, NewIds
from services.reservation.contracts import (
    OrderCancelled,
    OrderConfirmed,
    OrderPlaced,
    OrderStatus,
    Quantity,
    SeatsRefused,
    SeatsReserved,
)

UNKNOWN = "the order is not known here any more"


class Base(MappedAsDataclass, DeclarativeBase):
    type_annotation_map = COLUMN_TYPES | {OrderStatus: COLUMN_TYPES[str]}


class Order(Base):
    __tablename__ = "order"

    order_id: Mapped[int] = mapped_column(primary_key=True)
    seat_id: Mapped[int]
    quantity: Mapped[int]
    customer: Mapped[str]
    status: Mapped[OrderStatus]
    created_at: Mapped[datetime]
    reason: Mapped[str | None] = mapped_column(default=None)


class PlaceOrder(Command):
    seat_id: Id
    quantity: Quantity
    customer: Text


class CancelOrder(Command):
    order_id: Id


def place(command: PlaceOrder, ids: NewIds[Order], at: datetime) -> tuple[Order, OrderPlaced]:
    order = Order(
        order_id=next(ids),
        seat_id=command.seat_id,
        quantity=command.quantity,
        customer=command.customer,
        status="placed",
        created_at=at,
    )
    placed = OrderPlaced(
        order_id=order.order_id, seat_id=order.seat_id, quantity=order.quantity, customer=order.customer
    )
    return order, placed


def cancel(command: CancelOrder, order: Order) -> OrderCancelled:
    if order.status == "cancelled":
        raise Refused("the order is already cancelled")
    return _cancel(order, "cancelled by the customer")


def confirm(event: SeatsReserved, order: Order | None) -> OrderConfirmed | None:
    """An order that was cancelled meanwhile stays so: its cancellation gives the seats back."""
    if order is None or order.status != "placed":
        return None
    order.status = "confirmed"
    return OrderConfirmed(order_id=event.order_id)


def cancel_refused(event: SeatsRefused, done: OrderPlaced, order: Order) -> OrderCancelled | None:
    if order.status == "cancelled":
        return None
    return _cancel(order, event.reason)


def expire(event: OrderPlaced, order: Order | None) -> OrderCancelled | None:
    """Nobody answered in time. Seats that are reserved later are given back, as after any cancellation."""
    if order is None:
        return OrderCancelled(order_id=event.order_id, reason=UNKNOWN)
    if order.status != "placed":
        return None
    return _cancel(order, "not confirmed in time")


def disown(event: SeatsReserved | SeatsRefused, order: Order | None) -> OrderCancelled | None:
    """An order that a restore took away is cancelled, so that everybody undoes what they did for it."""
    return OrderCancelled(order_id=event.order_id, reason=UNKNOWN) if order is None else None


def recall(event: OrderCancelled, order: Order | None) -> OrderCancelled | None:
    """Our own word, which a restore made us forget: it is kept, and said again behind what we said in between."""
    if order is None or order.status == "cancelled":
        return None
    return _cancel(order, event.reason)


def _cancel(order: Order, reason: str) -> OrderCancelled:
    order.status = "cancelled"
    order.reason = reason
    return OrderCancelled(order_id=order.order_id, reason=reason)
