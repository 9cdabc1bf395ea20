"""The order: placed by a customer, confirmed when its seats are reserved, cancelled when they can't be."""

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


def confirm(event: SeatsReserved, order: Order) -> OrderConfirmed | None:
    """An order that was cancelled meanwhile stays so: its cancellation gives the seats back."""
    if order.status == "cancelled":
        return None
    order.status = "confirmed"
    return OrderConfirmed(order_id=event.order_id)


def cancel_refused(event: SeatsRefused, done: OrderPlaced, order: Order) -> OrderCancelled | None:
    if order.status == "cancelled":
        return None
    return _cancel(order, event.reason)


def expire(event: OrderPlaced, order: Order) -> OrderCancelled | None:
    """Nobody answered in time. Seats that are reserved later are given back, as after any cancellation."""
    if order.status != "placed":
        return None
    return _cancel(order, "not confirmed in time")


def _cancel(order: Order, reason: str) -> OrderCancelled:
    order.status = "cancelled"
    order.reason = reason
    return OrderCancelled(order_id=order.order_id, reason=reason)
