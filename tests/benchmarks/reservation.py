"""The reservation saga as three services: what the throughput is measured on.

order placed → seats reserved or refused → order confirmed or cancelled; my page shows all of them.
"""

from datetime import datetime, timedelta

from sqlalchemy.orm import DeclarativeBase, Mapped, MappedAsDataclass, mapped_column

from clinic_lib.messages import Command, Event, Id, Text
from clinic_lib.saga import Saga
from clinic_lib.service import Service
from clinic_lib.storage import COLUMN_TYPES, NewIds


class OrderEvent(Event, topic="reservation", key="order_id"):
    order_id: Id


class OrderPlaced(OrderEvent):
    seat_id: Id
    quantity: Id


class SeatsReserved(OrderEvent):
    seat_id: Id
    quantity: Id


class SeatsRefused(OrderEvent, failure=True):
    reason: Text


class OrderConfirmed(OrderEvent):
    pass


class OrderCancelled(OrderEvent, failure=True):
    reason: Text


class SeatBase(MappedAsDataclass, DeclarativeBase):
    type_annotation_map = COLUMN_TYPES


class OrderBase(MappedAsDataclass, DeclarativeBase):
    type_annotation_map = COLUMN_TYPES


class PageBase(MappedAsDataclass, DeclarativeBase):
    type_annotation_map = COLUMN_TYPES


class Seat(SeatBase):
    __tablename__ = "seat"

    seat_id: Mapped[int] = mapped_column(primary_key=True)
    free: Mapped[int]


class Order(OrderBase):
    __tablename__ = "order"

    order_id: Mapped[int] = mapped_column(primary_key=True)
    seat_id: Mapped[int]
    quantity: Mapped[int]
    status: Mapped[str]
    created_at: Mapped[datetime]


class MyPage(PageBase):
    __tablename__ = "my_page"

    order_id: Mapped[int] = mapped_column(primary_key=True)
    status: Mapped[str]


class PlaceOrder(Command):
    seat_id: Id
    quantity: Id


order_service = Service("order", system="reservation")
seat_service = Service("seat", system="reservation")
page_service = Service("my_page", system="reservation")


@order_service.command("POST", "/orders")
def place(command: PlaceOrder, ids: NewIds[Order], at: datetime) -> tuple[Order, OrderPlaced]:
    order = Order(next(ids), command.seat_id, command.quantity, "placed", at)
    return order, OrderPlaced(order_id=order.order_id, seat_id=order.seat_id, quantity=order.quantity)


@seat_service.step
def reserve(event: OrderPlaced, seat: Seat) -> SeatsReserved | SeatsRefused:
    if seat.free < event.quantity:
        return SeatsRefused(order_id=event.order_id, reason=f"{seat.free} seats left")
    seat.free -= event.quantity
    return SeatsReserved(order_id=event.order_id, seat_id=seat.seat_id, quantity=event.quantity)


@seat_service.compensation(reserve)
def release(event: OrderCancelled, done: SeatsReserved, seat: Seat) -> None:
    seat.free += done.quantity


@order_service.step
def confirm(event: SeatsReserved, order: Order) -> OrderConfirmed:
    order.status = "confirmed"
    return OrderConfirmed(order_id=event.order_id)


@order_service.compensation(place)
def cancel(event: SeatsRefused, done: OrderPlaced, order: Order) -> OrderCancelled:
    order.status = "cancelled"
    return OrderCancelled(order_id=event.order_id, reason=event.reason)


reservation = Saga(
    "reservation", starts=OrderPlaced, ends=(OrderConfirmed, OrderCancelled), deadline=timedelta(minutes=15)
)
order_service.saga(reservation)


@order_service.deadline(reservation)
def expire(event: OrderPlaced, order: Order) -> OrderCancelled:
    order.status = "cancelled"
    return OrderCancelled(order_id=event.order_id, reason="not confirmed in time")


@page_service.projection
def show_placed(event: OrderPlaced, page: MyPage | None) -> MyPage:
    return MyPage(event.order_id, "placed")


@page_service.projection
def show_confirmed(event: OrderConfirmed, page: MyPage) -> None:
    page.status = "confirmed"


@page_service.projection
def show_cancelled(event: OrderCancelled, page: MyPage) -> None:
    page.status = "cancelled"
