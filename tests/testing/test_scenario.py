"""Given, when, then: what a scenario can be told and asked."""

import logging

import pytest

from clinic_lib.crash_points import CrashPoint
from clinic_lib.errors import NotFoundError
from clinic_lib.messages import Command
from clinic_lib.service import Service
from clinic_lib.testing.errors import InvariantError, NotSettledError
from clinic_lib.testing.promises import EVERY_PROMISE, every_saga_ends, nothing_lost, nothing_twice
from clinic_lib.testing.scenario import Answered, Scenario, Written
from clinic_lib.testing.simulation.schedule import CRASH_POINTS
from tests.core import shop
from tests.core.shop import (
    CancelOrder,
    MyPage,
    Order,
    OrderCancelled,
    OrderConfirmed,
    OrderPlaced,
    PlaceOrder,
    Seat,
    SeatsReserved,
)
from tests.testing import planted_bugs as planted

SHOP = (shop.order_service, shop.seat_service, shop.page_service)
TWO = PlaceOrder(seat_id=1, quantity=2)


def a_shop(seed: int | None = None) -> Scenario:
    return Scenario(*SHOP, seed=seed).given(Seat(1, 3))


def seat_that_fails(failures: list[RuntimeError]) -> Service:
    """It gives back what was reserved once it has failed so often."""
    service = Service("seat", system="shop")
    reserve = service.step(shop.reserve)

    @service.compensation(reserve)
    def repay(event: OrderCancelled, done: SeatsReserved, seat: Seat) -> None:
        if failures:
            raise failures.pop()
        seat.free += done.quantity

    return service


def test_rows_and_events_are_what_a_run_comes_to() -> None:
    scenario = a_shop().when(TWO).run()

    placed = OrderPlaced(order_id=1, seat_id=1, quantity=2, note="none")
    reserved = SeatsReserved(order_id=1, seat_id=1, quantity=2)
    assert scenario.events == [placed, reserved, OrderConfirmed(order_id=1)]
    scenario.then(
        placed, OrderConfirmed(order_id=1), Seat(1, 1), MyPage(1, "confirmed", ["placed", "confirmed"])
    )


@pytest.mark.parametrize(
    "never",
    [OrderConfirmed(order_id=2), Seat(1, 3), OrderPlaced(order_id=1, seat_id=1, quantity=2, note="none")],
    ids=["an event", "a row", "an order of events"],
)
def test_what_did_not_happen_is_told_with_the_story(never: object) -> None:
    scenario = a_shop().when(TWO).run()

    with pytest.raises(InvariantError, match=r"OrderPlaced 1 → SeatsReserved(.|\n)*broken: "):
        scenario.then(OrderConfirmed(order_id=1), never)


def test_an_event_may_be_given_and_come_meanwhile() -> None:
    scenario = Scenario(shop.seat_service).given(Seat(1, 3), OrderPlaced(order_id=7, seat_id=1, quantity=1))

    scenario.when(OrderCancelled(order_id=7, reason="changed my mind")).run()

    assert scenario.rows(Seat)[0].free == 3
    scenario.then(
        SeatsReserved(order_id=7, seat_id=1, quantity=1), OrderCancelled(order_id=7, reason="changed my mind")
    )


def test_one_that_an_earlier_version_wrote_is_read_by_the_upcasters() -> None:
    old = Written(OrderPlaced, {"order_id": 7, "seat_id": 1, "quantity": 1}, version=1)

    scenario = Scenario(shop.seat_service).given(Seat(1, 3), old).run()

    scenario.then(
        OrderPlaced(order_id=7, seat_id=1, quantity=1), SeatsReserved(order_id=7, seat_id=1, quantity=1)
    )


def test_what_people_do_may_depend_on_what_they_see() -> None:
    def cancel_the_newest(scenario: Scenario) -> Command:
        return CancelOrder(order_id=scenario.rows(Order)[-1].order_id, reason="no")

    def look(scenario: Scenario) -> None:
        assert scenario.rows(Order)[-1].status == "cancelled"

    scenario = a_shop().when(TWO, cancel_the_newest, look).run()

    assert len(scenario.events) == 5


def test_refusals_are_seen() -> None:
    scenario = a_shop().when(CancelOrder(order_id=9, reason="no")).run()

    ((command, error),) = scenario.refusals
    assert command == CancelOrder(order_id=9, reason="no")
    assert isinstance(error, NotFoundError)
    assert scenario.events == []


def test_a_request_is_answered_as_over_http() -> None:
    scenario = a_shop()

    made = scenario.post("/orders", {"seat_id": 1, "quantity": 2})

    assert (made.status, made.location, made.body["status"]) == (201, "/orders/1", "placed")
    assert scenario.post("/orders", {"seat_id": "x"}).status == 422
    assert scenario.post("/orders/9/cancellation", {"reason": "no"}).status == 404
    assert scenario.post("/nothing") == Answered(404, None)
    assert scenario.post("/orders/1/cancellation", {"reason": "no"}).body["status"] == "cancelled"
    assert scenario.post("/orders/1/cancellation", {"reason": "no"}).status == 409


def test_deadlines_come_with_the_clock() -> None:
    scenario = Scenario(shop.order_service).when(TWO).run()
    began = scenario.now
    assert [(each.state, each.key) for each in scenario.sagas] == [("running", "order_id:1")]

    scenario.advance(minutes=16)

    assert (scenario.now - began).total_seconds() >= 16 * 60
    assert [each.state for each in scenario.sagas] == ["compensated"]
    scenario.then(OrderCancelled(order_id=1, reason="nobody answered about 2 seats"))


def test_a_compensation_that_fails_is_tried_again_by_itself_and_then_left_to_somebody() -> None:
    failures = [RuntimeError("no money")] * 5
    scenario = Scenario(shop.order_service, seat_that_fails(failures)).given(Seat(1, 3))
    scenario.when(TWO, CancelOrder(order_id=1, reason="no")).run()
    ((_, state, key, type_, handler, error),) = scenario.dead_letters
    assert (state, key, type_) == ("failed", "order_id:1", "OrderCancelled")
    assert (handler, error) == ("repay", "RuntimeError: no money")
    assert [each.state for each in scenario.sagas] == ["stuck"]

    scenario.redrive()

    assert scenario.rows(Seat)[0].free == 3
    scenario.check(*EVERY_PROMISE, planted.seats_add_up)


@pytest.mark.parametrize("point", CRASH_POINTS)
def test_a_death_at_each_crash_point_costs_nothing(point: CrashPoint) -> None:
    died = 0
    for seed in range(25):
        scenario = a_shop(seed).faults(crash_at=[point, "after-commit"], delay=1)
        scenario.when(TWO, TWO, CancelOrder(order_id=1, reason="no")).run()
        scenario.check(*EVERY_PROMISE, planted.seats_add_up)
        died += any(f"dies at {point}" in line for line in scenario.story)

    assert died or point == "redrive"


def test_a_death_while_letters_are_tried_again_costs_nothing() -> None:
    died = 0
    for seed in range(60):
        failures = [RuntimeError("no money")]
        scenario = Scenario(shop.order_service, seat_that_fails(failures), seed=seed).given(Seat(1, 3))

        scenario.faults(crash_at=["redrive"]).when(TWO, CancelOrder(order_id=1, reason="no")).run()

        scenario.check(*EVERY_PROMISE, planted.seats_add_up)
        died += any("dies at redrive" in line for line in scenario.story)
    assert died


def test_records_that_come_again_and_services_that_are_away_cost_nothing() -> None:
    seen = set()
    for seed in range(25):
        scenario = a_shop(seed).faults(duplicate=3, reorder=True, drop=2)
        scenario.when(TWO, TWO, CancelOrder(order_id=1, reason="no")).run()
        scenario.check(*EVERY_PROMISE, planted.seats_add_up)
        seen |= {
            word for word in ("published again", "is down") if any(word in line for line in scenario.story)
        }

    assert seen == {"published again", "is down"}


def test_records_of_different_keys_come_in_any_order_only_where_it_is_said() -> None:
    def reserved(reorder: bool) -> set[tuple[int, ...]]:
        scenarios = [
            a_shop(seed).faults(reorder=reorder).when(*[PlaceOrder(seat_id=1, quantity=1)] * 3)
            for seed in range(25)
        ]
        return {
            tuple(each.order_id for each in scenario.run().events if isinstance(each, SeatsReserved))
            for scenario in scenarios
        }

    assert reserved(reorder=False) == {(1, 2, 3)}
    assert len(reserved(reorder=True)) > 1


def test_a_row_that_several_services_have_needs_a_name() -> None:
    scenario = Scenario(planted.order, shop.order_service)

    with pytest.raises(ValueError, match=r"Order is a row of order, shop_order_\w+: say which"):
        scenario.rows(Order)
    assert scenario.rows(Order, of="order") == []


def test_a_row_or_a_command_that_nobody_has_is_refused() -> None:
    with pytest.raises(ValueError, match="Order is a row of none"):
        Scenario(shop.seat_service).rows(Order)
    with pytest.raises(ValueError, match="no service here takes PlaceOrder"):
        Scenario(shop.seat_service).when(TWO).run()


def test_a_row_that_the_table_refuses_is_not_given() -> None:
    with pytest.raises(Exception, match='null value in column "free" of relation "seat"'):
        Scenario(shop.seat_service).given(Seat(1, None))  # type: ignore[arg-type]
    with pytest.raises(Exception, match='duplicate key value violates unique constraint "seat_pkey"'):
        a_shop().given(Seat(1, 2))


def test_services_that_never_stop_talking_are_stopped() -> None:
    service = Service("parrot", system="shop")

    @service.step
    def repeat(event: OrderConfirmed) -> OrderConfirmed:
        return event

    with pytest.raises(NotSettledError, match="steps it still goes on, last: parrot"):
        Scenario(service).given(OrderConfirmed(order_id=1)).run()


def test_an_unfinished_saga_and_what_is_not_handled_break_promises() -> None:
    scenario = Scenario(shop.order_service, shop.seat_service).when(TWO)
    scenario.run()
    scenario.given(OrderCancelled(order_id=1, reason="later"))

    with pytest.raises(InvariantError, match="broken: every saga ends: purchase order_id:1 is stuck"):
        scenario.check(nothing_twice, every_saga_ends)
    with pytest.raises(
        InvariantError, match=r"broken: nothing lost: shop_seat_\w+ has not handled OrderCancelled 1"
    ):
        scenario.check(nothing_lost)


def test_a_promise_may_also_answer_false() -> None:
    def seats_are_free(scenario: Scenario) -> bool:
        return scenario.rows(Seat)[0].free > 3

    with pytest.raises(InvariantError, match=r"broken: seats are free \(seed 3\)"):
        a_shop(seed=3).check(seats_are_free)


def test_what_fails_is_told_by_the_story_and_not_by_the_log(caplog: pytest.LogCaptureFixture) -> None:
    scenario = Scenario(shop.order_service, shop.seat_service).when(TWO).run()

    assert any("OrderPlaced 1 → OrderStepStuck, fails: NotFoundError" in line for line in scenario.story)
    assert caplog.records == []
    assert logging.getLogger("clinic_lib").level == logging.NOTSET
