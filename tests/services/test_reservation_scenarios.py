"""Stories of the reservation, with its services as they are, in the simulation."""

import pytest

from clinic_lib.testing.promises import EVERY_PROMISE, no_dead_letters, nothing_lost, nothing_twice
from clinic_lib.testing.scenario import Scenario
from clinic_lib.testing.simulation.schedule import SOME_OF_EACH
from services.reservation.contracts import (
    OrderCancelled,
    OrderConfirmed,
    OrderPlaced,
    SeatsRefused,
    SeatsReleased,
    SeatsReserved,
)
from services.reservation.order.domain import CancelOrder, Order, PlaceOrder
from services.reservation.seat.domain import Seat
from tests.services.reservation_plot import (
    RESERVATION,
    a_contended_block,
    my_page_equals_the_orders,
    seats_add_up,
    stalls,
)

PROMISES = (*EVERY_PROMISE, seats_add_up, my_page_equals_the_orders)


@pytest.fixture
def scenario() -> Scenario:
    return Scenario(*RESERVATION)


def order(quantity: int = 2, customer: str = "Ada") -> PlaceOrder:
    return PlaceOrder(seat_id=1, quantity=quantity, customer=customer)


def test_an_order_takes_its_seats(scenario: Scenario) -> None:
    scenario.given(stalls(scenario)).when(order()).run()

    scenario.then(
        OrderPlaced(order_id=1, seat_id=1, quantity=2, customer="Ada"),
        SeatsReserved(order_id=1, seat_id=1, seat_name="Stalls A", quantity=2),
        OrderConfirmed(order_id=1),
    )
    assert [row.free for row in scenario.rows(Seat)] == [3]
    assert [(each.saga, each.state) for each in scenario.sagas] == [("reservation", "completed")]
    scenario.check(*PROMISES)


def test_one_that_wants_too_many_is_cancelled(scenario: Scenario) -> None:
    scenario.given(stalls(scenario)).when(order(6)).run()

    (refused,) = [each for each in scenario.events if isinstance(each, SeatsRefused)]
    assert refused.reason == "not enough seats: 6 wanted, 5 free"
    assert [row.status for row in scenario.rows(Order)] == ["cancelled"]
    scenario.check(*PROMISES)


def test_a_cancelled_order_gives_its_seats_back(scenario: Scenario) -> None:
    scenario.given(stalls(scenario)).when(order(), CancelOrder(order_id=1)).run()

    scenario.then(
        OrderCancelled(order_id=1, reason="cancelled by the customer"),
        SeatsReleased(order_id=1, seat_id=1, quantity=2),
    )
    scenario.check(*PROMISES)


def test_it_is_cancelled_once(scenario: Scenario) -> None:
    scenario.given(stalls(scenario)).when(order(), CancelOrder(order_id=1), CancelOrder(order_id=1)).run()

    assert [str(each.error) for each in scenario.refusals] == ["the order is already cancelled"]
    assert scenario.post("/orders/1/cancellation").status == 409


def test_an_order_that_nobody_answers_is_cancelled_at_its_deadline() -> None:
    order_service, *_ = RESERVATION
    scenario = Scenario(order_service).when(order()).advance(minutes=14)
    assert [each.state for each in scenario.sagas] == ["running"]

    scenario.advance(minutes=2)

    assert [each.state for each in scenario.sagas] == ["compensated"]
    scenario.then(OrderCancelled(order_id=1, reason="not confirmed in time"))


def test_seats_that_are_reserved_after_the_deadline_are_given_back() -> None:
    for seed in range(50):
        scenario = Scenario(*RESERVATION, seed=seed).faults(reorder=True, drop=1, delay=2)

        scenario.given(stalls(scenario)).when(order(), order(3, "Bob")).advance(minutes=16)

        scenario.check(*PROMISES)


def test_1000_random_schedules_keep_every_promise() -> None:
    for seed in range(1000):
        scenario = Scenario(*RESERVATION, seed=seed).suffer(SOME_OF_EACH)
        a_contended_block(scenario)

        scenario.run().check(*PROMISES)


def test_a_dead_letter_holds_up_its_order_and_no_other(scenario: Scenario) -> None:
    """My page never heard of the order 7; the order's service disowns it, and that has to wait."""
    lost = SeatsReserved(order_id=7, seat_id=1, seat_name="Stalls A", quantity=2)
    scenario.given(stalls(scenario), lost).when(order()).run()

    letters = [(each.service, each.state, each.key) for each in scenario.dead_letters]
    assert letters == [("my_page", "failed", "order_id:7"), ("my_page", "waiting", "order_id:7")]
    assert [row.status for row in scenario.rows(Order)] == ["confirmed"]
    scenario.check(nothing_lost, nothing_twice)
    with pytest.raises(AssertionError, match="my_page could not handle SeatsReserved"):
        scenario.check(no_dead_letters)
