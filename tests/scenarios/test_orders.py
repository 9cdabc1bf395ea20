"""The seat reservation's stories, through its gateway: seats, orders and my page agree within a second."""

from collections import Counter
from functools import partial
from itertools import chain
from uuid import uuid4

import httpx2
import pytest

from services.reservation import demo
from tests.scenarios.clinic import (
    DEADLINE_SECONDS,
    Clinic,
    Order,
    at_once,
    create_seats,
    eventually,
    free_seats,
)
from tests.scenarios.kafka_log import read_log

SETTLES_WITHIN_SECONDS = 10.0
ROUNDS = 10
PARTITIONS = 24
UNKNOWN_BLOCK = 2**63 - 1


@pytest.fixture(scope="module", autouse=True)
def _two_seat_processes(clinic: Clinic) -> None:
    """From here on."""
    clinic.run("scale", "seat", "2")
    with clinic.client("reservation_gateway") as client:
        use_every_partition(client)


def use_every_partition(client: httpx2.Client) -> None:
    """Partitions that changed hands may rest for some seconds."""
    for order in [Order(client, UNKNOWN_BLOCK, 1) for _ in range(2 * PARTITIONS)]:
        order.ends_as("cancelled", within=SETTLES_WITHIN_SECONDS)


def has_free(client: httpx2.Client, block: int, free: int) -> None:
    """Wait until so many seats of the block are free."""
    eventually(lambda: free_seats(client, block) == free or None)


def test_five_seats_are_ordered_refused_and_given_back(box_office: httpx2.Client) -> None:
    block = create_seats(box_office, 5)
    assert free_seats(box_office, block) == 5

    first = Order(box_office, block, 3)
    first.ends_as("confirmed")
    assert free_seats(box_office, block) == 2

    second = Order(box_office, block, 3)
    second.ends_as("cancelled")
    assert free_seats(box_office, block) == 2
    shown = second.show("orders"), second.show("myPages")
    assert {view and view["reason"] for view in shown} == {"not enough seats: 3 wanted, 2 free"}

    first.cancel()
    first.ends_as("cancelled")
    has_free(box_office, block, 5)
    shown = first.show("orders"), first.show("myPages")
    assert {view and view["reason"] for view in shown} == {"cancelled by the customer"}


def test_an_order_for_an_unknown_block_is_cancelled_with_its_reason(box_office: httpx2.Client) -> None:
    order = Order(box_office, UNKNOWN_BLOCK, 1)

    order.ends_as("cancelled")

    shown, page = order.show("orders"), order.show("myPages")
    assert shown is not None
    assert page is not None
    assert shown["reason"] == page["reason"] == f"there is no seat block {UNKNOWN_BLOCK}"
    assert page["seat_name"] is None


def test_an_order_cancelled_at_once_gives_all_its_seats_back(box_office: httpx2.Client) -> None:
    block = create_seats(box_office, 5)

    for _ in range(ROUNDS):
        order = Order(box_office, block, 5)
        order.cancel()
        order.ends_as("cancelled")

    has_free(box_office, block, 5)
    Order(box_office, block, 5).ends_as("confirmed")


def test_an_order_that_nobody_answers_is_cancelled_by_its_deadline_and_late_seats_come_back(
    clinic: Clinic, box_office: httpx2.Client
) -> None:
    block = create_seats(box_office, 5)
    clinic.run("stop", "seat")
    order = Order(box_office, block, 3)

    order.ends_as("cancelled", within=DEADLINE_SECONDS + SETTLES_WITHIN_SECONDS)
    shown = order.show("orders")
    assert shown is not None
    assert shown["reason"] == "not confirmed in time"

    clinic.run("start", "seat")
    use_every_partition(box_office)
    released = partial(event_types, clinic, order.id)
    eventually(lambda: "SeatsReleased" in released() or None, within=SETTLES_WITHIN_SECONDS)
    assert free_seats(box_office, block) == 5
    assert order.statuses() == ("cancelled", "cancelled")


def event_types(clinic: Clinic, order: int) -> list[str]:
    """What the log says of an order."""
    records = [record for record in read_log(clinic, "reservation") if record.key == str(order).encode()]
    return [dict(record.headers)["type"].decode() for record in records]


def test_the_order_service_knows_how_each_saga_stands_with_its_whole_history(
    clinic: Clinic, box_office: httpx2.Client
) -> None:
    block = create_seats(box_office, 5)
    order, refused = Order(box_office, block, 3), Order(box_office, block, 6)
    order.ends_as("confirmed")
    refused.ends_as("cancelled")
    confirmed = ["OrderPlaced", "SeatsReserved", "OrderConfirmed"]
    assert saga(clinic, order) == ("completed", confirmed)
    assert saga(clinic, refused) == ("compensated", ["OrderPlaced", "SeatsRefused", "OrderCancelled"])

    order.cancel()

    compensated = "compensated", [*confirmed, "OrderCancelled", "SeatsReleased"]
    eventually(lambda: saga(clinic, order) == compensated or None)


def saga(clinic: Clinic, order: Order) -> tuple[str, list[str]]:
    """The state of an order's saga, and what happened in it."""
    shown = clinic.admin("order", f"/sagas/reservation/{order.id}")
    return shown["state"], [entry["type"] for entry in shown["history"]]


def test_of_two_who_cancel_an_order_at_once_one_is_refused(box_office: httpx2.Client) -> None:
    block = create_seats(box_office, 5)
    order = Order(box_office, block, 2)
    order.ends_as("confirmed")

    answers = at_once(*[partial(box_office.post, f"/orders/{order.id}/cancellation")] * 2)

    assert sorted(answer.status_code for answer in answers) == [200, 409]
    refused = next(answer for answer in answers if answer.is_error)
    assert refused.json()["detail"] == "the order is already cancelled"
    order.ends_as("cancelled")
    has_free(box_office, block, 5)


def test_a_contended_block_is_never_oversold(clinic: Clinic, box_office: httpx2.Client) -> None:
    block = create_seats(box_office, 50)
    customer = uuid4().hex
    body = {"seat_id": block, "quantity": 3, "customer": customer}
    answers = at_once(*[partial(box_office.post, "/orders", json=body)] * 40)
    assert {answer.status_code for answer in answers} == {201}

    def ended() -> list[str] | None:
        pages = box_office.get("/myPages", params={"customer": customer}).json()["items"]
        statuses = [page["status"] for page in pages]
        return statuses if len(statuses) == 40 and "placed" not in statuses else None

    assert Counter(eventually(ended, within=SETTLES_WITHIN_SECONDS)) == {"confirmed": 16, "cancelled": 24}
    orders = [box_office.get(answer.headers["location"]).json() for answer in answers]
    assert Counter(order["status"] for order in orders) == {"confirmed": 16, "cancelled": 24}
    assert free_seats(box_office, block) == 2
    assert all(published_events(clinic, replica) for replica in (1, 2))


def published_events(clinic: Clinic, replica: int) -> float:
    """How many events a process of the seats' service has published."""
    return metric(
        clinic.ports["seat"] + 1000 + 100 * (replica - 1), 'clinic_relay_sent_total{service="seat"}'
    )


def metric(admin_port: int, name: str) -> float:
    lines = httpx2.get(f"http://127.0.0.1:{admin_port}/metrics").text.splitlines()
    return next((float(line.rpartition(" ")[2]) for line in lines if line.startswith(name)), 0.0)


def test_my_page_shows_an_order_with_its_block_and_steps(clinic: Clinic, box_office: httpx2.Client) -> None:
    block = create_seats(box_office, 5, "Balcony, row 2")
    order = Order(box_office, block, 2, "Grace Hopper")
    order.ends_as("confirmed")
    order.cancel()
    order.ends_as("cancelled")

    with clinic.client("my_page") as direct:
        page = direct.get(f"/myPages/{order.id}").json()

    assert (page["id"], page["order_id"], page["customer"]) == (order.id, order.id, "Grace Hopper")
    assert (page["seat_id"], page["seat_name"], page["quantity"]) == (block, "Balcony, row 2", 2)
    assert [step["status"] for step in page["steps"]] == ["placed", "confirmed", "cancelled"]
    assert [step["at"] for step in page["steps"]] == sorted(step["at"] for step in page["steps"])
    assert (page["created_at"], page["since"]) == (page["steps"][0]["at"], page["steps"][-1]["at"])


@pytest.mark.parametrize("name", ["Ada & Co", "Ägidius Ω 健", "\u200fمرحبا", "no\u00a0break", "100% + ?"])
def test_a_customer_finds_their_own_orders_newest_first_page_by_page(
    box_office: httpx2.Client, name: str
) -> None:
    customer = f"{name} {uuid4().hex}"
    block = create_seats(box_office, 100)
    placed = [Order(box_office, block, 1, customer) for _ in range(3)]
    Order(box_office, block, 1, "somebody else")
    for order in placed:
        order.ends_as("confirmed")

    first = box_office.get("/myPages", params={"customer": customer, "limit": 2}).json()
    second = box_office.get(first["next"]).json()

    found = [page["id"] for page in chain(first["items"], second["items"])]
    assert found == [order.id for order in reversed(placed)]
    assert second["next"] is None


def test_a_block_and_an_order_are_made_once_for_an_idempotency_key(box_office: httpx2.Client) -> None:
    key = {"Idempotency-Key": uuid4().hex}
    blocks = [box_office.post("/seats", json={"name": "Stalls", "seats": 5}, headers=key) for _ in range(2)]
    body = {"seat_id": blocks[0].json()["id"], "quantity": 4, "customer": "Ada"}
    orders = at_once(*[partial(box_office.post, "/orders", json=body, headers=key)] * 5)

    assert blocks[0].content == blocks[1].content
    assert blocks[0].headers["location"] == blocks[1].headers["location"]
    assert len({(answer.status_code, answer.content) for answer in orders}) == 1
    has_free(box_office, body["seat_id"], 1)


def test_each_gateway_counts_under_its_own_name(clinic: Clinic, box_office: httpx2.Client) -> None:
    create_seats(box_office, 1)

    counted = 'clinic_http_requests_total{{method="POST",route="/seats",service="{}",status="201"}}'
    admin_port = clinic.ports["reservation_gateway"] + 1000
    assert metric(admin_port, counted.format("reservation_gateway")) > 0
    assert metric(admin_port, counted.format("gateway")) == 0


def test_the_demo_tells_its_story(clinic: Clinic, capsys: pytest.CaptureFixture[str]) -> None:
    assert demo.main(clinic.url("reservation_gateway")) == 0

    told = capsys.readouterr().out
    assert all(title in told for title in demo.STORIES)
