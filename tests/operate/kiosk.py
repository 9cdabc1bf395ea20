"""A small system for the operator's commands: a service of it stumbles while a file says so.

order placed → seats reserved → order confirmed, or cancelled by the customer; a page shows it. Names of the topic
and the services carry KIOSK_RUN, so that test sessions on the same servers do not meet.
"""

import os
from datetime import timedelta
from pathlib import Path

from sqlalchemy.orm import DeclarativeBase, Mapped, MappedAsDataclass, mapped_column

from clinic_lib.messages import Command, Event, Id
from clinic_lib.saga import Saga
from clinic_lib.service import Service
from clinic_lib.storage import COLUMN_TYPES, NewIds

RUN = os.environ["KIOSK_RUN"]
BROKEN = Path(os.environ["KIOSK_BROKEN"])


class KioskEvent(Event, topic=f"kiosk-{RUN}", key="order_id"):
    order_id: Id


class OrderPlaced(KioskEvent):
    quantity: Id


class SeatsReserved(KioskEvent):
    quantity: Id


class OrderConfirmed(KioskEvent):
    pass


class OrderCancelled(KioskEvent, failure=True):
    pass


class Base(MappedAsDataclass, DeclarativeBase):
    type_annotation_map = COLUMN_TYPES


class Order(Base):
    __tablename__ = "order"
    order_id: Mapped[int] = mapped_column(primary_key=True)
    status: Mapped[str]


class PlaceOrder(Command):
    quantity: Id


class CancelOrder(Command):
    order_id: Id


order_service = Service(f"order_{RUN}", system="kiosk")
seat_service = Service(f"seat_{RUN}", system="kiosk")
page_service = Service(f"page_{RUN}", system="kiosk")

purchase = Saga(
    "purchase", starts=OrderPlaced, ends=(OrderConfirmed, OrderCancelled), deadline=timedelta(hours=1)
)
order_service.saga(purchase)


@order_service.command("POST", "/orders")
def place(command: PlaceOrder, ids: NewIds[Order]) -> tuple[Order, OrderPlaced]:
    order = Order(next(ids), "placed")
    return order, OrderPlaced(order_id=order.order_id, quantity=command.quantity)


@order_service.command("POST", "/orders/{order_id}/cancellation")
def cancel(command: CancelOrder, order: Order) -> OrderCancelled:
    order.status = "cancelled"
    return OrderCancelled(order_id=order.order_id)


@order_service.step
def confirm(event: SeatsReserved, order: Order) -> OrderConfirmed | None:
    if order.status != "placed":
        return None
    order.status = "confirmed"
    return OrderConfirmed(order_id=event.order_id)


order_service.query("/orders", Order)


class Taken(Base):
    __tablename__ = "taken"
    order_id: Mapped[int] = mapped_column(primary_key=True)
    quantity: Mapped[int]


@seat_service.step
def reserve(event: OrderPlaced) -> tuple[Taken, SeatsReserved]:
    if BROKEN.exists():
        raise RuntimeError(f"can't reserve {event.quantity}")
    taken = Taken(event.order_id, event.quantity)
    return taken, SeatsReserved(order_id=event.order_id, quantity=event.quantity)


@seat_service.compensation(reserve)
def release(event: OrderCancelled, done: SeatsReserved, taken: Taken) -> None:
    taken.quantity -= done.quantity


class Page(Base):
    __tablename__ = "page"
    order_id: Mapped[int] = mapped_column(primary_key=True)
    status: Mapped[str]


@page_service.projection
def show_placed(event: OrderPlaced, page: Page | None) -> Page:
    return Page(event.order_id, "placed")


@page_service.projection
def show_confirmed(event: OrderConfirmed, page: Page) -> None:
    page.status = "confirmed"


def __getattr__(name: str) -> object:
    """`tests.operate.kiosk:serve_order` and the like: only the process that serves an app makes it."""
    services = {"serve_order": order_service, "serve_seat": seat_service, "serve_page": page_service}
    if name in services:
        return services[name].asgi()
    raise AttributeError(name)
