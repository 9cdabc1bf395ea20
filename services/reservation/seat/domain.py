"""The seats: blocks of them, of which orders take some and give them back. No seat is sold twice."""

from datetime import datetime

from sqlalchemy import CheckConstraint
from sqlalchemy.orm import DeclarativeBase, Mapped, MappedAsDataclass, mapped_column

from clinic_lib.messages import Command, Text
from clinic_lib.storage import COLUMN_TYPES, NewIds
from services.reservation.contracts import (
    OrderCancelled,
    OrderPlaced,
    Quantity,
    SeatsRefused,
    SeatsReleased,
    SeatsReserved,
)


class Base(MappedAsDataclass, DeclarativeBase):
    type_annotation_map = COLUMN_TYPES


class Seat(Base):
    """A block of seats; many orders take from it at once, and its row's lock makes them take turns."""

    __tablename__ = "seat"
    __table_args__ = (CheckConstraint("free between 0 and seats", name="seat_free_within_seats"),)

    seat_id: Mapped[int] = mapped_column(primary_key=True)
    name: Mapped[str]
    seats: Mapped[int]
    free: Mapped[int]
    created_at: Mapped[datetime]


class CreateSeats(Command):
    name: Text
    seats: Quantity


def create(command: CreateSeats, ids: NewIds[Seat], at: datetime) -> Seat:
    """No order is about it yet, so the log is told nothing."""
    return Seat(seat_id=next(ids), name=command.name, seats=command.seats, free=command.seats, created_at=at)


def reserve(event: OrderPlaced, seat: Seat | None) -> SeatsReserved | SeatsRefused:
    if seat is None:
        return SeatsRefused(
            order_id=event.order_id, seat_id=event.seat_id, reason=f"there is no seat block {event.seat_id}"
        )
    if seat.free < event.quantity:
        return SeatsRefused(
            order_id=event.order_id,
            seat_id=seat.seat_id,
            seat_name=seat.name,
            reason=f"not enough seats: {event.quantity} wanted, {seat.free} free",
        )
    seat.free -= event.quantity
    return SeatsReserved(
        order_id=event.order_id, seat_id=seat.seat_id, seat_name=seat.name, quantity=event.quantity
    )


def release(event: OrderCancelled, done: SeatsReserved, seat: Seat) -> SeatsReleased:
    seat.free += done.quantity
    return SeatsReleased(order_id=event.order_id, seat_id=seat.seat_id, quantity=done.quantity)
