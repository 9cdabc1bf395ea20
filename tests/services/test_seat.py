"""What the seats' side decides."""

from datetime import UTC, datetime

import pytest

from clinic_lib.storage import NewIds
from services.reservation.contracts import (
    OrderCancelled,
    OrderPlaced,
    SeatsRefused,
    SeatsReleased,
    SeatsReserved,
)
from services.reservation.seat import domain
from services.reservation.seat.domain import CreateSeats, Seat

NOON = datetime(2026, 1, 2, 12, tzinfo=UTC)
CANCELLED = OrderCancelled(order_id=7, reason="cancelled by the customer")


def block(free: int) -> Seat:
    return Seat(seat_id=3, name="Stalls A", seats=5, free=free, created_at=NOON)


def placed(quantity: int) -> OrderPlaced:
    return OrderPlaced(order_id=7, seat_id=3, quantity=quantity, customer="Ada")


def reserved(quantity: int) -> SeatsReserved:
    return SeatsReserved(order_id=7, seat_id=3, seat_name="Stalls A", quantity=quantity)


def test_all_seats_of_a_new_block_are_free() -> None:
    row = domain.create(CreateSeats(name="Stalls A", seats=5), NewIds[Seat]([3]), NOON)

    assert row == block(free=5)


@pytest.mark.parametrize(("quantity", "left"), [(1, 4), (3, 2), (5, 0)])
def test_free_seats_are_reserved(quantity: int, left: int) -> None:
    row = block(free=5)

    event = domain.reserve(placed(quantity), row)

    assert event == reserved(quantity)
    assert row == block(free=left)


@pytest.mark.parametrize(("free", "quantity"), [(2, 3), (0, 1), (5, 2**63 - 1)])
def test_more_seats_than_are_free_are_refused(free: int, quantity: int) -> None:
    row = block(free)

    event = domain.reserve(placed(quantity), row)

    assert event == SeatsRefused(
        order_id=7,
        seat_id=3,
        seat_name="Stalls A",
        reason=f"not enough seats: {quantity} wanted, {free} free",
    )
    assert row == block(free)


def test_seats_of_a_block_that_does_not_exist_are_refused() -> None:
    event = domain.reserve(placed(1), None)

    assert event == SeatsRefused(order_id=7, seat_id=3, reason="there is no seat block 3")


def test_a_cancelled_order_gives_back_what_was_reserved_for_it() -> None:
    row = block(free=5)
    done = domain.reserve(placed(3), row)
    assert isinstance(done, SeatsReserved)

    event = domain.release(CANCELLED, done, row)

    assert event == SeatsReleased(order_id=7, seat_id=3, quantity=3)
    assert row == block(free=5)
