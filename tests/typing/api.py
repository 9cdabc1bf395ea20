"""What users write, as type checkers see it. A line with `# wrong` is an error of each, any other one of none."""

from datetime import datetime, timedelta
from typing import assert_type

from sqlalchemy.orm import DeclarativeBase, Mapped, MappedAsDataclass, mapped_column

from clinic_lib.errors import Refused
from clinic_lib.messages import Command, Event, Id, Text
from clinic_lib.saga import Saga
from clinic_lib.service import Service
from clinic_lib.storage import COLUMN_TYPES, NewIds, View

service = Service("order", system="shop")
Service("order")  # wrong


class Base(MappedAsDataclass, DeclarativeBase):
    type_annotation_map = COLUMN_TYPES


class Order(Base):
    __tablename__ = "order"
    order_id: Mapped[int] = mapped_column(primary_key=True)
    item: Mapped[str]
    reason: Mapped[str | None] = mapped_column(default=None)


class OrderView(View):
    id: Id
    item: str


class ShopEvent(Event, topic="shop", key="order_id"):
    order_id: Id


class OrderPlaced(ShopEvent):
    item: Text


class OrderCancelled(ShopEvent, failure=True):
    reason: Text


class PlaceOrder(Command):
    item: Text


@service.command("POST", "/orders")
def place(command: PlaceOrder, ids: NewIds[Order], at: datetime) -> tuple[Order, OrderPlaced]:
    if not command.item:
        raise Refused("nothing is ordered")
    number = next(ids)
    assert_type(number, int)
    return Order(number, command.item), OrderPlaced(order_id=number, item=command.item)


@service.compensation(place)
def cancel(event: OrderCancelled, done: OrderPlaced, order: Order) -> None:
    order.reason = event.reason
    order.item = None  # wrong
    event.reason = "changed"  # wrong for mypy: the model says it is frozen, which pyright does not read


@service.step
def note(event: OrderPlaced, order: Order | None) -> OrderCancelled | None:
    order.item  # wrong
    return None if order else OrderCancelled(order_id=event.order_id, reason="unknown")


@service.projection
def show(event: OrderPlaced) -> Order:
    return Order(event.order_id, event.item)


placed = OrderPlaced(order_id=7, item="a chair")
row, event = place(PlaceOrder(item="a chair"), NewIds[Order]([7]), datetime(2026, 1, 1))
assert_type(row, Order)
assert_type(event, OrderPlaced)
assert_type(row.reason, str | None)
assert_type(note(placed, None), OrderCancelled | None)
assert_type(show(placed), Order)
assert_type(Refused("no").status, int)

place(PlaceOrder(item="a chair"), NewIds[Order]([7]))  # wrong
place("a chair", NewIds[Order]([7]), datetime(2026, 1, 1))  # wrong
note(placed, "no row")  # wrong
show(placed).items  # wrong
OrderPlaced(order_id=7)  # wrong
PlaceOrder(item=7)  # wrong
Order(7, item=None)  # wrong
NewIds[Order](["7"])  # wrong
Refused()  # wrong

service.step("note")  # wrong
service.compensation("place")  # wrong
service.query("/orders", Order, view=OrderView, filters=("item",))
service.query("/orders", Order, view=Order)  # wrong
service.command("POST")  # wrong


@service.query("/views")
def view(order: Order) -> OrderView:
    return OrderView(id=order.order_id, item=order.item)


assert_type(view(row), OrderView)

purchase = Saga("purchase", starts=OrderPlaced, ends=(OrderCancelled,), deadline=timedelta(days=1))
service.saga(purchase)
service.saga("purchase")  # wrong
Saga("purchase", starts=PlaceOrder, ends=(OrderCancelled,))  # wrong
Saga("purchase", starts=OrderPlaced, ends=OrderCancelled)  # wrong
Saga("purchase", starts=OrderPlaced, ends=(OrderCancelled,), deadline=60)  # wrong


@service.deadline(purchase)
def expire(event: OrderPlaced, order: Order) -> OrderCancelled:
    return OrderCancelled(order_id=order.order_id, reason="late")


assert_type(expire(placed, row), OrderCancelled)
