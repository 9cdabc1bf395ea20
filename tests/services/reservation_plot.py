"""The reservation in the simulation: its services, what people may do, and what has to hold at rest."""

from clinic_lib.testing.outcome import Outcome
from clinic_lib.testing.scenario import Scenario
from services.reservation.my_page.app import service as my_page
from services.reservation.my_page.domain import MyPage
from services.reservation.order.app import service as order
from services.reservation.order.domain import CancelOrder, Order, PlaceOrder
from services.reservation.seat.app import service as seat
from services.reservation.seat.domain import Seat

__all__ = ["RESERVATION", "SEATS", "a_contended_block", "my_page_equals_the_orders", "seats_add_up", "stalls"]

RESERVATION = (order, seat, my_page)
SEATS = 5


def stalls(scenario: Scenario, free: int = SEATS) -> Seat:
    return Seat(seat_id=1, name="Stalls A", seats=free, free=free, created_at=scenario.now)


def a_contended_block(scenario: Scenario) -> None:
    """More is wanted than there is, some of it of a block that does not exist; some think better of it."""
    scenario.given(stalls(scenario)).perhaps(
        PlaceOrder(seat_id=1, quantity=scenario.choose(3, 1, 5), customer="Ada"),
        PlaceOrder(seat_id=1, quantity=scenario.choose(3, 2), customer="Bob"),
        CancelOrder(order_id=1),
        PlaceOrder(seat_id=scenario.choose(1, 2), quantity=2, customer="Cleo"),
        CancelOrder(order_id=scenario.choose(2, 1, 3)),
        PlaceOrder(seat_id=1, quantity=1, customer="Dan"),
    )


def seats_add_up(outcome: Outcome) -> None:
    (block,) = outcome.rows(Seat)
    sold = sum(row.quantity for row in outcome.rows(Order) if row.status == "confirmed")
    assert block.free == block.seats - sold, f"{block.free} of {block.seats} are free, {sold} are sold"


def my_page_equals_the_orders(outcome: Outcome) -> None:
    pages = {page.order_id: page for page in outcome.rows(MyPage)}
    rows = outcome.rows(Order)
    assert pages.keys() == {row.order_id for row in rows}
    for row in rows:
        page = pages[row.order_id]
        for field in ("seat_id", "quantity", "customer", "status", "reason"):
            shown, known = getattr(page, field), getattr(row, field)
            assert shown == known, f"{field} of order {row.order_id} is {known}, its page shows {shown}"
        steps = [step["status"] for step in page.steps]
        assert steps[0] == "placed" and steps[-1] == row.status, f"order {row.order_id} went {steps}"
        assert len(steps) == len(set(steps)), f"order {row.order_id} went {steps}"
