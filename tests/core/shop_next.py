"""The shop's next version: seats have a section, and customers are told their places.

What a release adds at once: a nullable column (`section`, `places`), a field of an event (`SeatsReserved` of
version 2, with an upcaster), and an event type of its own (`PlacesAssigned`). The services keep their names.
"""

from typing import Any

from sqlalchemy.orm import DeclarativeBase, Mapped, MappedAsDataclass, mapped_column

from clinic_lib.messages import Id, Text
from clinic_lib.service import Service
from clinic_lib.storage import COLUMN_TYPES
from tests.core.shop import (
    RUN,
    OrderCancelled,
    OrderConfirmed,
    OrderPlaced,
    SeatsRefused,
    SeatsReleased,
    ShopEvent,
)

UNKNOWN_SECTION = "not said"


class SeatsReserved(ShopEvent, version=2):
    """Version 1 had no section."""

    seat_id: Id
    quantity: Id
    section: Text


@SeatsReserved.upcast(from_version=1)
def leave_the_section_open(data: dict[str, Any]) -> dict[str, Any]:
    return data | {"section": UNKNOWN_SECTION}


class PlacesAssigned(ShopEvent):
    """What no earlier version knows."""

    places: Text


class Base(MappedAsDataclass, DeclarativeBase):
    type_annotation_map = COLUMN_TYPES


class Seat(Base):
    __tablename__ = "seat"

    seat_id: Mapped[int] = mapped_column(primary_key=True)
    free: Mapped[int]
    name: Mapped[str | None] = mapped_column(default=None, unique=True)
    section: Mapped[str | None] = mapped_column(default=None)


class MyPage(Base):
    __tablename__ = "my_page"

    order_id: Mapped[int] = mapped_column(primary_key=True)
    status: Mapped[str]
    steps: Mapped[list[str]] = mapped_column(default_factory=list)
    section: Mapped[str | None] = mapped_column(default=None)
    places: Mapped[str | None] = mapped_column(default=None)


seat_service = Service(f"shop_seat_{RUN}", system="shop")
page_service = Service(f"shop_page_{RUN}", system="shop")


@seat_service.step
def reserve(event: OrderPlaced, seat: Seat) -> SeatsRefused | tuple[SeatsReserved, PlacesAssigned]:
    if seat.free < event.quantity:
        return SeatsRefused(order_id=event.order_id, reason=f"{seat.free} seats left")
    seat.free -= event.quantity
    seat.section = "A"
    reserved = SeatsReserved(
        order_id=event.order_id, seat_id=seat.seat_id, quantity=event.quantity, section=seat.section
    )
    return reserved, PlacesAssigned(order_id=event.order_id, places=f"{seat.section}{seat.free}")


@seat_service.compensation(reserve)
def release(event: OrderCancelled, done: SeatsReserved, seat: Seat) -> SeatsReleased:
    seat.free += done.quantity
    return SeatsReleased(order_id=event.order_id, seat_id=seat.seat_id)


@page_service.projection
def show_placed(event: OrderPlaced, page: MyPage | None) -> MyPage:
    return MyPage(event.order_id, "placed", ["placed"])


@page_service.projection
def show_section(event: SeatsReserved, page: MyPage) -> None:
    page.section = event.section


@page_service.projection
def show_places(event: PlacesAssigned, page: MyPage) -> None:
    page.places = event.places


@page_service.projection
def show_confirmed(event: OrderConfirmed, page: MyPage) -> None:
    page.status, page.steps = "confirmed", [*page.steps, "confirmed"]


@page_service.projection
def show_cancelled(event: OrderCancelled, page: MyPage) -> None:
    page.status, page.steps = "cancelled", [*page.steps, "cancelled"]


def __getattr__(name: str) -> Any:
    """As in `tests.core.shop`; the order's service has no new version."""
    services = {"serve_seat": seat_service, "serve_page": page_service}
    if name in services:
        return services[name].asgi()
    raise AttributeError(name)
