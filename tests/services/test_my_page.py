"""What a customer sees of an order, event by event."""

from datetime import UTC, datetime, timedelta

from services.reservation.contracts import (
    OrderCancelled,
    OrderConfirmed,
    OrderPlaced,
    SeatsRefused,
    SeatsReserved,
)
from services.reservation.my_page import domain
from services.reservation.my_page.domain import MyPage

NOON = datetime(2026, 1, 2, 12, tzinfo=UTC)

PLACED = OrderPlaced(order_id=7, seat_id=3, quantity=2, customer="Ada")
RESERVED = SeatsReserved(order_id=7, seat_id=3, seat_name="Stalls A", quantity=2)
REFUSED = SeatsRefused(order_id=7, seat_id=3, seat_name="Stalls A", reason="not enough seats")
UNKNOWN = SeatsRefused(order_id=7, seat_id=3, reason="there is no seat block 3")
CONFIRMED = OrderConfirmed(order_id=7)
CANCELLED = OrderCancelled(order_id=7, reason="cancelled by the customer")

Followed = SeatsReserved | SeatsRefused | OrderConfirmed | OrderCancelled


def after(*events: Followed) -> MyPage:
    """The page once the order's log, an event a minute, has been folded into it."""
    page = domain.begin(PLACED, NOON)
    for minutes, event in enumerate(events, 1):
        if isinstance(event, OrderConfirmed | OrderCancelled):
            domain.follow(event, page, NOON + timedelta(minutes=minutes))
        else:
            domain.name_seats(event, page)
    return page


def statuses(page: MyPage) -> list[object]:
    return [step["status"] for step in page.steps]


def test_a_placed_order_is_seen_before_its_seats_are_known() -> None:
    page = after()

    assert (page.order_id, page.customer, page.seat_id, page.quantity) == (7, "Ada", 3, 2)
    assert (page.status, page.reason, page.seat_name) == ("placed", None, None)
    assert (page.created_at, page.since) == (NOON, NOON)
    assert page.steps == [{"status": "placed", "at": NOON.isoformat()}]


def test_reserved_seats_name_the_block_and_change_no_status() -> None:
    page = after(RESERVED)

    assert (page.status, page.seat_name) == ("placed", "Stalls A")
    assert statuses(page) == ["placed"]


def test_a_confirmed_order_is_seen_with_its_block() -> None:
    page = after(RESERVED, CONFIRMED)

    assert (page.status, page.reason, page.seat_name) == ("confirmed", None, "Stalls A")
    assert page.since == NOON + timedelta(minutes=2)
    assert statuses(page) == ["placed", "confirmed"]


def test_a_refused_order_is_seen_with_its_block_and_reason() -> None:
    page = after(REFUSED, OrderCancelled(order_id=7, reason=REFUSED.reason))

    assert (page.status, page.reason, page.seat_name) == ("cancelled", "not enough seats", "Stalls A")
    assert statuses(page) == ["placed", "cancelled"]


def test_a_block_that_does_not_exist_has_no_name() -> None:
    page = after(UNKNOWN, OrderCancelled(order_id=7, reason=UNKNOWN.reason))

    assert (page.status, page.reason, page.seat_name) == ("cancelled", "there is no seat block 3", None)


def test_a_cancelled_order_keeps_its_earlier_steps() -> None:
    page = after(RESERVED, CONFIRMED, CANCELLED)

    assert (page.status, page.reason) == ("cancelled", "cancelled by the customer")
    assert statuses(page) == ["placed", "confirmed", "cancelled"]


def test_seats_reserved_behind_a_cancellation_name_the_block_and_bring_nothing_back() -> None:
    page = after(CANCELLED, RESERVED)

    assert (page.status, page.reason, page.seat_name) == (
        "cancelled",
        "cancelled by the customer",
        "Stalls A",
    )
    assert page.since == NOON + timedelta(minutes=1)
    assert statuses(page) == ["placed", "cancelled"]


def test_what_is_said_again_is_no_step() -> None:
    page = after(RESERVED, CONFIRMED, RESERVED, CONFIRMED, CANCELLED, CANCELLED)

    assert (page.status, page.since) == ("cancelled", NOON + timedelta(minutes=5))
    assert statuses(page) == ["placed", "confirmed", "cancelled"]


def test_a_confirmation_behind_a_cancellation_takes_its_reason_away() -> None:
    page = after(CANCELLED, CONFIRMED)

    assert (page.status, page.reason) == ("confirmed", None)
