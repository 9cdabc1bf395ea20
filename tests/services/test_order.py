"""What the order's side decides."""

from datetime import UTC, datetime

import pytest

from clinic_lib.errors import Refused
from clinic_lib.storage import NewIds
from services.reservation.contracts import (
    OrderCancelled,
    OrderConfirmed,
    OrderPlaced,
    OrderStatus,
    SeatsRefused,
    SeatsReserved,
)
from services.reservation.order import domain
from services.reservation.order.domain import CancelOrder, Order, PlaceOrder

NOON = datetime(2026, 1, 2, 12, tzinfo=UTC)
PLACED = OrderPlaced(order_id=7, seat_id=3, quantity=2, customer="Ada")
RESERVED = SeatsReserved(order_id=7, seat_id=3, seat_name="Stalls A", quantity=2)
REFUSED = SeatsRefused(order_id=7, seat_id=3, seat_name="Stalls A", reason="not enough seats")
CANCEL = CancelOrder(order_id=7)
BY_THE_CUSTOMER = OrderCancelled(order_id=7, reason="cancelled by the customer")


def order(status: OrderStatus, reason: str | None = None) -> Order:
    return Order(
        order_id=7,
        seat_id=3,
        quantity=2,
        customer="Ada",
        status=status,
        created_at=NOON,
        reason=reason,
    )


def test_an_order_is_placed_before_anybody_knows_whether_seats_are_free() -> None:
    command = PlaceOrder(seat_id=3, quantity=2, customer="Ada")

    row, event = domain.place(command, NewIds[Order]([7]), NOON)

    assert row == order("placed")
    assert event == PLACED


def test_reserved_seats_confirm_the_order() -> None:
    row = order("placed")

    event = domain.confirm(RESERVED, row)

    assert event == OrderConfirmed(order_id=7)
    assert row == order("confirmed")


@pytest.mark.parametrize("status", ["confirmed", "cancelled"])
def test_seats_reserved_again_or_too_late_change_no_order_that_has_its_answer(status: OrderStatus) -> None:
    row = order(status)

    assert domain.confirm(RESERVED, row) is None
    assert domain.disown(RESERVED, row) is None

    assert row == order(status)


def test_an_order_that_a_restore_took_away_is_cancelled_whatever_comes_about_it() -> None:
    unknown = OrderCancelled(order_id=7, reason="the order is not known here any more")

    assert domain.confirm(RESERVED, None) is None
    assert domain.disown(RESERVED, None) == unknown
    assert domain.disown(REFUSED, None) == unknown
    assert domain.expire(PLACED, None) == unknown
    assert domain.recall(unknown, None) is None


@pytest.mark.parametrize("status", ["placed", "confirmed"])
def test_an_order_s_own_cancellation_holds_after_a_restore_and_is_said_again(status: OrderStatus) -> None:
    row = order(status)

    assert domain.recall(BY_THE_CUSTOMER, row) == BY_THE_CUSTOMER
    assert row == order("cancelled", BY_THE_CUSTOMER.reason)
    assert domain.recall(BY_THE_CUSTOMER, row) is None


def test_refused_seats_cancel_the_order_with_their_reason() -> None:
    row = order("placed")

    event = domain.cancel_refused(REFUSED, PLACED, row)

    assert event == OrderCancelled(order_id=7, reason="not enough seats")
    assert row == order("cancelled", "not enough seats")


def test_seats_refused_too_late_leave_a_cancelled_order_and_its_reason_alone() -> None:
    row = order("cancelled", "changed my mind")

    assert domain.cancel_refused(REFUSED, PLACED, row) is None

    assert row == order("cancelled", "changed my mind")


def test_an_order_that_nobody_answers_in_time_is_cancelled() -> None:
    row = order("placed")

    event = domain.expire(PLACED, row)

    assert event == OrderCancelled(order_id=7, reason="not confirmed in time")
    assert row == order("cancelled", "not confirmed in time")


@pytest.mark.parametrize("status", ["confirmed", "cancelled"])
def test_the_deadline_changes_no_order_that_has_its_answer(status: OrderStatus) -> None:
    row = order(status)

    assert domain.expire(PLACED, row) is None

    assert row == order(status)


@pytest.mark.parametrize("status", ["placed", "confirmed"])
def test_a_customer_may_cancel_before_and_after_the_confirmation(status: OrderStatus) -> None:
    row = order(status)

    event = domain.cancel(CANCEL, row)

    assert event == BY_THE_CUSTOMER
    assert row == order("cancelled", BY_THE_CUSTOMER.reason)


def test_a_cancelled_order_refuses_another_cancellation() -> None:
    row = order("cancelled", "not enough seats")

    with pytest.raises(Refused, match="already cancelled"):
        domain.cancel(CANCEL, row)

    assert row == order("cancelled", "not enough seats")
