"""One service's database is set back to an earlier time: what it forgot is healed by what the log knows."""

import time
from collections.abc import Iterable
from typing import Any

import httpx2
import pytest

from tests.scenarios.clinic import DEADLINE_SECONDS, Clinic, Order, create_seats, eventually, free_seats, show
from tests.scenarios.databases import ask, back_up, restore
from tests.scenarios.kafka_log import read_log

SETTLES_WITHIN_SECONDS = 30.0
REST_SECONDS = 1.0
SERVICES = ["order", "seat", "my_page"]

pytestmark = pytest.mark.timeout(180)

View = dict[str, Any] | None


def ended(order: Order) -> dict[str, Any]:
    """The order once it has its answer, as soon as my page shows the same."""

    def look() -> dict[str, Any] | None:
        shown, page = order.show("orders"), order.show("myPages")
        agree = shown and page and shown["status"] == page["status"] != "placed"
        return shown if agree else None

    return eventually(look, within=SETTLES_WITHIN_SECONDS)


def come_to_rest(clinic: Clinic, client: httpx2.Client, blocks: dict[int, int], orders: list[Order]) -> None:
    """Wait until, for a second, nothing is said any more and for each block of so many `blocks[id]` seats free =
    seats − those of confirmed orders, and my page equals the orders.
    """

    def agree() -> bool:
        shown = [order.show("orders") for order in orders]
        pages = [order.show("myPages") for order in orders]
        free = {block: seats - sold(shown, block) for block, seats in blocks.items()}
        return all(same(*each) for each in zip(shown, pages, strict=True)) and free == {
            block: free_seats(client, block) for block in blocks
        }

    def at_rest() -> bool | None:
        before = len(read_log(clinic, "reservation"))
        if not agree():
            return None
        time.sleep(REST_SECONDS)
        return (agree() and len(read_log(clinic, "reservation")) == before) or None

    eventually(at_rest, within=SETTLES_WITHIN_SECONDS)


def sold(orders: Iterable[View], block: int) -> int:
    confirmed = [each for each in orders if each and each["status"] == "confirmed"]
    return sum(each["quantity"] for each in confirmed if each["seat_id"] == block)


def same(order: View, page: View) -> bool:
    """An order that is gone is shown as cancelled."""
    if page is None or order is None:
        return page is not None and page["status"] == "cancelled"
    fields = ("status", "reason", "quantity", "seat_id", "customer")
    return all(order[field] == page[field] for field in fields)


def steps(order: Order) -> list[str]:
    page = order.show("myPages")
    assert page is not None
    return [step["status"] for step in page["steps"]]


def dead_letters(clinic: Clinic, orders: list[Order]) -> list[tuple[Any, ...]]:
    keys = [f"order_id:{order.id}" for order in orders]
    statement = "select type, error from clinic_lib.dead_letter where key = any($1::text[])"
    return [row for service in SERVICES for row in ask(clinic, service, statement, keys)]


def saga_states(clinic: Clinic, *orders: Order) -> list[str]:
    """How the instances of these orders stand, as far as the owner knows them."""
    statement = "select state from clinic_lib.saga where subject = any($1::text[]) order by id"
    return [state for (state,) in ask(clinic, "order", statement, [str(order.id) for order in orders])]


def test_seats_that_are_set_back_decide_again_and_the_others_follow(
    clinic: Clinic, box_office: httpx2.Client
) -> None:
    block = create_seats(box_office, 10)
    kept = Order(box_office, block, 1)
    assert ended(kept)["status"] == "confirmed"
    back_up(clinic, "seat")
    orders, lost_block = [], create_seats(box_office, 5)
    for _ in range(20):  # four are confirmed; read again, partition by partition, other ones come first
        orders.append(Order(box_office, block, 2))
        ended(orders[-1])
    of_lost_block = Order(box_office, lost_block, 5)
    assert ended(of_lost_block)["status"] == "confirmed"
    before = [ended(order)["status"] for order in orders]
    assert before.count("confirmed") == 4
    called_off = orders[before.index("confirmed")]
    called_off.cancel()

    restore(clinic, "seat")

    come_to_rest(clinic, box_office, {block: 10}, [kept, *orders, of_lost_block])
    after = [ended(order)["status"] for order in orders]
    taken_back = [n for n in range(20) if (before[n], after[n]) == ("confirmed", "cancelled")]
    assert any(steps(orders[n]) == ["placed", "confirmed", "cancelled"] for n in taken_back)
    assert ended(of_lost_block)["reason"] == f"there is no seat block {lost_block}"
    assert steps(kept) == ["placed", "confirmed"]
    assert ended(called_off)["reason"] == "cancelled by the customer"
    assert dead_letters(clinic, [kept, *orders, of_lost_block]) == []
    assert create_seats(box_office, 1) > lost_block
    assert "running" not in saga_states(clinic, *orders)


def test_orders_that_a_restore_took_away_are_cancelled_by_everybody(
    clinic: Clinic, box_office: httpx2.Client
) -> None:
    block = create_seats(box_office, 20)
    kept, called_off = Order(box_office, block, 1), Order(box_office, block, 2)
    assert ended(kept)["status"] == ended(called_off)["status"] == "confirmed"
    clinic.run("stop", "seat")
    answered_later, placed_at = Order(box_office, block, 3), time.monotonic()
    back_up(clinic, "order")
    clinic.run("start", "seat")
    answer = ended(answered_later)
    gone = [Order(box_office, block, 4) for _ in range(3)]
    assert [ended(order)["status"] for order in gone] == ["confirmed"] * 3
    called_off.cancel()
    ended(called_off)
    time.sleep(max(0.0, placed_at + DEADLINE_SECONDS - time.monotonic()))

    restore(clinic, "order")

    come_to_rest(clinic, box_office, {block: 20}, [kept, called_off, answered_later, *gone])
    assert [show(box_office, f"/orders/{order.id}") for order in gone] == [None] * 3
    for order in gone:
        page = order.show("myPages")
        assert page is not None
        assert page["reason"] == "the order is not known here any more"
    assert ended(kept)["status"] == "confirmed"
    assert ended(called_off)["reason"] == "cancelled by the customer"
    again = ended(answered_later)
    assert (again["status"], again["reason"]) == (answer["status"], answer["reason"])
    assert steps(answered_later) == ["placed", answer["status"]]
    known = saga_states(clinic, kept, called_off, answered_later)
    assert len(known) == 3
    assert set(known) <= {"completed", "compensated"}
    assert saga_states(clinic, *gone) == []
    assert dead_letters(clinic, [kept, called_off, answered_later, *gone]) == []
    new = Order(box_office, block, 1)
    assert new.id > max(order.id for order in gone)
    assert ended(new)["status"] == "confirmed"
