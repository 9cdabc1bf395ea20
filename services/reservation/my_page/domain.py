"""My page: what a customer sees of an order, told by events alone.

An order's own events stand in the log as the order went through them, so the last one tells its status. What
the seats' service says in between adds the block's name and changes no status.
"""

from datetime import datetime

from sqlalchemy.orm import DeclarativeBase, Mapped, MappedAsDataclass, mapped_column

from clinic_lib.messages import Id
from clinic_lib.storage import COLUMN_TYPES, View
from services.reservation.contracts import (
    OrderCancelled,
    OrderConfirmed,
    OrderPlaced,
    OrderStatus,
    SeatsRefused,
    SeatsReserved,
)


class Base(MappedAsDataclass, DeclarativeBase):
    type_annotation_map = COLUMN_TYPES | {OrderStatus: COLUMN_TYPES[str]}


class MyPage(Base):
    """`seat_name` is empty until the seats' service has answered, and for a block that does not exist."""

    __tablename__ = "my_page"

    order_id: Mapped[int] = mapped_column(primary_key=True)
    customer: Mapped[str] = mapped_column(index=True)
    seat_id: Mapped[int]
    quantity: Mapped[int]
    status: Mapped[OrderStatus]
    since: Mapped[datetime]
    steps: Mapped[list[dict[str, object]]]
    created_at: Mapped[datetime]
    seat_name: Mapped[str | None] = mapped_column(default=None)
    reason: Mapped[str | None] = mapped_column(default=None)


class StepView(View):
    """A status the order had, and since when."""

    status: OrderStatus
    at: datetime


class MyPageView(View):
    """Where an order stands, and the steps so far."""

    id: Id
    order_id: Id
    customer: str
    seat_id: Id
    seat_name: str | None
    quantity: int
    status: OrderStatus
    reason: str | None
    since: datetime
    steps: list[StepView]
    created_at: datetime


def begin(event: OrderPlaced, at: datetime) -> MyPage:
    return MyPage(
        order_id=event.order_id,
        customer=event.customer,
        seat_id=event.seat_id,
        quantity=event.quantity,
        status="placed",
        since=at,
        steps=[_step("placed", at)],
        created_at=at,
    )


def name_seats(event: SeatsReserved | SeatsRefused, page: MyPage) -> None:
    page.seat_name = event.seat_name


def follow(event: OrderConfirmed | OrderCancelled, page: MyPage, at: datetime) -> None:
    """A service that was restored says again what it had said: that is no step of the order."""
    status: OrderStatus = "cancelled" if isinstance(event, OrderCancelled) else "confirmed"
    page.reason = event.reason if isinstance(event, OrderCancelled) else None
    if page.status != status:
        page.status, page.since = status, at
        page.steps = [*page.steps, _step(status, at)]


def _step(status: OrderStatus, at: datetime) -> dict[str, object]:
    return {"status": status, "at": at.isoformat()}
