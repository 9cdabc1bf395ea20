"""A small system for the tests of the library: orders, seats and my page, each a service of its own.

order placed → seats reserved or refused → order confirmed or cancelled; a customer may cancel too.
Names of topic and services carry SHOP_RUN, so that test sessions on one Kafka do not meet.
"""

import os
from datetime import datetime, timedelta
from typing import Any
from uuid import uuid4

from sqlalchemy import CheckConstraint
from sqlalchemy.orm import DeclarativeBase, Mapped, MappedAsDataclass, mapped_column

from clinic_lib.errors import Refused
from clinic_lib.messages import Command, Event, Id, LongText, Text
from clinic_lib.saga import Saga
from clinic_lib.service import Service
from clinic_lib.storage import COLUMN_TYPES, NewIds

RUN = os.environ.setdefault("SHOP_RUN", uuid4().hex[:8])
TOPIC = f"shop-{RUN}"


class ShopEvent(Event, topic=TOPIC, key="order_id"):
    order_id: Id


class OrderPlaced(ShopEvent):
    """A customer wants seats."""

    seat_id: Id
    quantity: Id
    note: str = ""


class SeatsReserved(ShopEvent):
    seat_id: Id
    quantity: Id


class SeatsRefused(ShopEvent, failure=True):
    reason: Text


class SeatsReleased(ShopEvent):
    seat_id: Id


class OrderConfirmed(ShopEvent):
    pass


class OrderCancelled(ShopEvent, failure=True):
    reason: Text


class Base(MappedAsDataclass, DeclarativeBase):
    type_annotation_map = COLUMN_TYPES


class Seat(Base):
    __tablename__ = "seat"
    __table_args__ = (CheckConstraint("free >= 0", name="seat_free_not_negative"),)

    seat_id: Mapped[int] = mapped_column(primary_key=True)
    free: Mapped[int]
    name: Mapped[str | None] = mapped_column(default=None, unique=True)


class Order(Base):
    """`order` is a reserved word of SQL: it must be quoted everywhere."""

    __tablename__ = "order"

    order_id: Mapped[int] = mapped_column(primary_key=True)
    seat_id: Mapped[int]
    quantity: Mapped[int]
    status: Mapped[str]
    created_at: Mapped[datetime]


class MyPage(Base):
    __tablename__ = "my_page"

    order_id: Mapped[int] = mapped_column(primary_key=True)
    status: Mapped[str]
    steps: Mapped[list[str]] = mapped_column(default_factory=list)


class PlaceOrder(Command):
    seat_id: Id
    quantity: Id
    note: LongText = "none"


class CancelOrder(Command):
    order_id: Id
    reason: Text


order_service = Service(f"shop_order_{RUN}", system="shop")
seat_service = Service(f"shop_seat_{RUN}", system="shop")
page_service = Service(f"shop_page_{RUN}", system="shop")


@order_service.command("POST", "/orders")
def place(command: PlaceOrder, ids: NewIds[Order], at: datetime) -> tuple[Order, OrderPlaced]:
    """Place an order."""
    order = Order(next(ids), command.seat_id, command.quantity, "placed", at)
    placed = OrderPlaced(
        order_id=order.order_id, seat_id=order.seat_id, quantity=order.quantity, note=command.note
    )
    return order, placed


@order_service.command("POST", "/orders/{order_id}/cancellation")
def cancel(command: CancelOrder, order: Order) -> OrderCancelled:
    if order.status == "cancelled":
        raise Refused(f"order {order.order_id} is cancelled already")
    order.status = "cancelled"
    return OrderCancelled(order_id=order.order_id, reason=command.reason)


@order_service.step
def confirm(event: SeatsReserved, order: Order) -> OrderConfirmed | None:
    if order.status == "cancelled":
        return None
    order.status = "confirmed"
    return OrderConfirmed(order_id=event.order_id)


@order_service.compensation(place)
def give_up(event: SeatsRefused, done: OrderPlaced, order: Order) -> OrderCancelled:
    order.status = "cancelled"
    return OrderCancelled(order_id=done.order_id, reason=event.reason)


purchase = Saga(
    "purchase", starts=OrderPlaced, ends=(OrderConfirmed, OrderCancelled), deadline=timedelta(minutes=15)
)
order_service.saga(purchase)


@order_service.deadline(purchase)
def give_up_waiting(event: OrderPlaced, order: Order) -> OrderCancelled:
    order.status = "cancelled"
    return OrderCancelled(order_id=event.order_id, reason=f"nobody answered about {event.quantity} seats")


order_service.query("/orders", Order, filters=("seat_id", "status"))


@seat_service.step
def reserve(event: OrderPlaced, seat: Seat) -> SeatsReserved | SeatsRefused:
    if seat.free < event.quantity:
        return SeatsRefused(order_id=event.order_id, reason=f"{seat.free} seats left")
    seat.free -= event.quantity
    return SeatsReserved(order_id=event.order_id, seat_id=seat.seat_id, quantity=event.quantity)


@seat_service.compensation(reserve)
def release(event: OrderCancelled, done: SeatsReserved, seat: Seat) -> SeatsReleased:
    seat.free += done.quantity
    return SeatsReleased(order_id=event.order_id, seat_id=seat.seat_id)


@page_service.projection
def show_placed(event: OrderPlaced, page: MyPage | None) -> MyPage:
    return MyPage(event.order_id, "placed", ["placed"])


@page_service.projection
def show_confirmed(event: OrderConfirmed, page: MyPage) -> None:
    page.status, page.steps = "confirmed", [*page.steps, "confirmed"]


@page_service.projection
def show_cancelled(event: OrderCancelled, page: MyPage) -> None:
    page.status, page.steps = "cancelled", [*page.steps, "cancelled"]


def __getattr__(name: str) -> Any:
    """`tests.core.shop:serve_order` and the like: only the process that serves an app makes it."""
    services = {"serve_order": order_service, "serve_seat": seat_service, "serve_page": page_service}
    if name in services:
        return services[name].asgi()
    raise AttributeError(name)
