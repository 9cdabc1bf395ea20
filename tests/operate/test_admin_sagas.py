"""Every call of the admin port that is about sagas, and about what a service handles."""

from uuid import uuid4

import httpx2
import pytest

from clinic_lib.messages import new_message_id
from tests.operate.conftest import ORDER, PAGE, SEAT, Kiosk, eventually

INSTANCE = {
    *("id", "saga", "subject", "key", "state", "started_at", "deadline_at", "ended_at", "correlation_id"),
    "stuck",
}
OLD_ID = "0190a000-0000-7000-8000-000000000000"
"""A UUIDv7 of July 2024."""


def test_instances_are_listed_newest_first_in_pages(kiosk: Kiosk, order: httpx2.Client) -> None:
    numbers = [kiosk.place_order() for _ in range(3)]
    for number in numbers:
        kiosk.comes_to(number, "completed")

    page = order.get("/admin/sagas", params={"saga": "purchase", "state": "completed", "limit": 2}).json()
    rest = order.get("/admin/sagas" + page["next"]).json()

    assert [each["subject"] for each in page["items"]] == [numbers[2], numbers[1]]
    assert rest["items"][0]["subject"] == numbers[0]
    newest = page["items"][0]
    assert set(newest) == INSTANCE
    assert (newest["saga"], newest["key"], newest["stuck"]) == ("purchase", f"order_id:{numbers[2]}", [])
    assert newest["ended_at"] > newest["started_at"]


def test_an_instance_is_shown_with_its_history(kiosk: Kiosk, order: httpx2.Client) -> None:
    number = kiosk.place_order()
    kiosk.comes_to(number, "completed")

    def shown() -> list[dict[str, object]] | None:
        events = order.get(f"/admin/sagas/purchase/{number}").json()["history"]
        return events if len(events) == 3 else None

    placed, reserved, confirmed = eventually(shown)

    assert [each["type"] for each in (placed, reserved, confirmed)] == [
        "OrderPlaced",
        "SeatsReserved",
        "OrderConfirmed",
    ]
    assert [each["source"] for each in (placed, reserved, confirmed)] == [ORDER, SEAT, ORDER]
    assert reserved["causation_id"] == placed["message_id"]
    assert set(placed) == {
        *("message_id", "type", "source", "time", "correlation_id", "causation_id"),
        *("partition", "offset"),
    }


def test_what_a_later_request_caused_is_in_the_history(kiosk: Kiosk, order: httpx2.Client) -> None:
    number = kiosk.place_order()
    kiosk.comes_to(number, "completed")
    kiosk.cancel_order(number)
    kiosk.comes_to(number, "compensated")

    def shown() -> list[dict[str, object]] | None:
        events = order.get(f"/admin/sagas/purchase/{number}").json()["history"]
        return events if len(events) == 4 else None

    history = eventually(shown)

    assert [each["type"] for each in history] == [
        "OrderPlaced",
        "SeatsReserved",
        "OrderConfirmed",
        "OrderCancelled",
    ]
    assert len({each["correlation_id"] for each in history}) == 2


def test_a_stuck_instance_says_where(kiosk: Kiosk, order: httpx2.Client) -> None:
    number = kiosk.poisoned_order()

    (stuck,) = order.get(f"/admin/sagas/purchase/{number}").json()["stuck"]

    assert stuck.pop("message_id")
    assert stuck == {
        "service": SEAT,
        "handler": "reserve",
        "message_type": "OrderPlaced",
        "error": "RuntimeError",
    }


def test_a_discarded_letter_s_notice_is_in_the_history(kiosk: Kiosk, order: httpx2.Client) -> None:
    number = kiosk.poisoned_order()
    with kiosk.admin(SEAT) as seat:
        seat.delete(f"/admin/dead-letters/{kiosk.letters()[0]['id']}").raise_for_status()
    kiosk.comes_to(number, "running")

    history = order.get(f"/admin/sagas/purchase/{number}").json()["history"]

    assert [each["type"] for each in history] == ["OrderPlaced", "OrderStepStuck", "OrderStepFreed"]


@pytest.mark.parametrize("path", ["purchase/999999", "purchase/a%2Fb", "purchase/%00", "unknown/1"])
def test_an_instance_that_is_not_there_is_a_404(order: httpx2.Client, path: str) -> None:
    answer = order.get(f"/admin/sagas/{path}")

    assert answer.status_code == 404
    assert answer.headers["content-type"] == "application/problem+json"


def test_a_service_that_owns_no_saga_says_so(seat: httpx2.Client) -> None:
    answer = seat.get("/admin/sagas")

    assert answer.status_code == 404
    assert answer.json()["detail"] == "this service owns no saga"


@pytest.mark.parametrize("parameters", [{"state": "done"}, {"limit": "0"}, {"before": "x"}])
def test_wrong_parameters_of_sagas_are_a_422(order: httpx2.Client, parameters: dict[str, str]) -> None:
    assert order.get("/admin/sagas", params=parameters).status_code == 422


def test_an_unknown_saga_is_a_404(order: httpx2.Client) -> None:
    assert order.get("/admin/sagas", params={"saga": "unknown"}).status_code == 404


def test_a_service_tells_which_messages_it_handled(kiosk: Kiosk, seat: httpx2.Client) -> None:
    done = kiosk.place_order()
    kiosk.comes_to(done, "completed")
    parked = kiosk.poisoned_order()
    with kiosk.admin(ORDER) as order:
        placed, waits = (
            order.get(f"/admin/sagas/purchase/{each}").json()["history"][0]["message_id"]
            for each in (done, parked)
        )
    new = str(new_message_id())

    answer = seat.post("/admin/handled", json={"message_ids": [placed, waits, new, OLD_ID]}).json()

    assert answer == {
        "receives": ["OrderCancelled", "OrderPlaced"],
        "handled": [placed],
        "parked": [waits],
        "forgotten": [OLD_ID],
    }


@pytest.mark.parametrize(
    "body",
    [b"", b"[]", b'{"message_ids": 5}', b'{"message_ids": ["x"]}', b'{"message_ids": [null]}', b"{}"],
)
def test_what_is_no_list_of_ids_is_a_422(seat: httpx2.Client, body: bytes) -> None:
    assert seat.post("/admin/handled", content=body).status_code == 422


def test_more_than_1000_ids_are_a_422(seat: httpx2.Client) -> None:
    ids = [str(uuid4()) for _ in range(1001)]

    assert seat.post("/admin/handled", json={"message_ids": ids[:1000]}).status_code == 200
    assert seat.post("/admin/handled", json={"message_ids": ids}).status_code == 422


def test_a_service_says_what_it_handles_and_owns(kiosk: Kiosk) -> None:
    said = {}
    for name in (ORDER, SEAT, PAGE):
        with kiosk.admin(name) as admin:
            said[name] = admin.get("/admin/service").json()

    assert said == {
        ORDER: {"name": ORDER, "receives": ["SeatsReserved"], "projects": [], "sagas": ["purchase"]},
        SEAT: {"name": SEAT, "receives": ["OrderCancelled", "OrderPlaced"], "projects": [], "sagas": []},
        PAGE: {
            "name": PAGE,
            "receives": ["OrderConfirmed", "OrderPlaced"],
            "projects": ["OrderConfirmed", "OrderPlaced"],
            "sagas": [],
        },
    }
