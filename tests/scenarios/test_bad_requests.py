"""Every service and the gateway answer a bad request with its status and a problem that says why."""

from collections.abc import Iterator
from typing import Any

import httpx2
import pytest

from tests.scenarios import bad_orders, bad_requests
from tests.scenarios.bad_orders import BAD_ORDERS
from tests.scenarios.bad_requests import PATIENT, TABLE, Bad
from tests.scenarios.clinic import Clinic, Order, Visit, create_seats, free_seats

OWNERS = {**bad_requests.OWNERS, **bad_orders.OWNERS}
PREPARED_WITHIN_SECONDS = 10.0


@pytest.fixture(scope="module")
def ids(clinic: Clinic) -> dict[str, int]:
    """A visit with an open examination, and one that was rejected, its examination withdrawn."""
    with clinic.client() as client:
        visits = [Visit(client), Visit(client)]
        examinations = []
        for visit in visits:
            visit.wait_for_the_doctor(PREPARED_WITHIN_SECONDS)
            visit.prescribe()
            examinations.append(visit.created_examination(PREPARED_WITHIN_SECONDS))
        visits[1].reject()
        visits[1].ends_as("cancelled", "rejected", "rejected", within=PREPARED_WITHIN_SECONDS)
    return {
        "open": visits[0].id,
        "ended": visits[1].id,
        "open_examination": examinations[0],
        "ended_examination": examinations[1],
        **orders(clinic),
    }


def orders(clinic: Clinic) -> dict[str, int]:
    """A block of five seats, one order that has three of them, and one that is cancelled."""
    with clinic.client("reservation_gateway") as client:
        block = create_seats(client, 5)
        confirmed, cancelled = Order(client, block, 3), Order(client, block, 3)
        confirmed.ends_as("confirmed", within=PREPARED_WITHIN_SECONDS)
        cancelled.ends_as("cancelled", within=PREPARED_WITHIN_SECONDS)
    return {"block": block, "order": confirmed.id, "cancelled": cancelled.id}


@pytest.fixture(scope="module", params=["directly", "through the gateway"])
def doors(request: pytest.FixtureRequest, clinic: Clinic) -> Iterator[dict[str, httpx2.Client]]:
    """For each collection the client to ask."""
    direct = request.param == "directly"
    clients = {
        name: clinic.client(owner if direct else clinic.gateway_of(owner)) for name, owner in OWNERS.items()
    }
    yield clients
    for client in clients.values():
        client.close()


@pytest.mark.parametrize("bad", [*TABLE, *BAD_ORDERS], ids=str)
def test_a_bad_request_is_answered_with_its_status_and_a_problem(
    bad: Bad, doors: dict[str, httpx2.Client], ids: dict[str, int]
) -> None:
    response = send(bad, doors, ids)

    problem = response.json()
    assert response.status_code == bad.status, problem
    assert response.headers["content-type"] == "application/problem+json"
    assert (problem["status"], bool(problem["title"]), bool(problem["type"])) == (bad.status, True, True)
    assert isinstance(problem["detail"], str)
    assert problem["detail"]
    if bad.wrong:
        assert bad.wrong in [error["field"] for error in problem["errors"]]
    if bad.status == httpx2.codes.METHOD_NOT_ALLOWED:
        assert response.headers["allow"]


def send(bad: Bad, doors: dict[str, httpx2.Client], ids: dict[str, int]) -> httpx2.Response:
    method, _, target = bad.request.format(**ids).partition(" ")
    client = doors[target.replace("?", "/").split("/")[1]]
    body: Any = bad.body() if callable(bad.body) else bad.body
    return client.request(method, target, content=body, headers=bad.headers)


def test_bad_requests_changed_nothing(clinic: Clinic, ids: dict[str, int]) -> None:
    with clinic.client() as client:
        opened = client.get(f"/diagnoses/{ids['open']}").json()
        ended = client.get(f"/diagnoses/{ids['ended']}").json()

    assert (opened["status"], ended["status"]) == ("examination_prescribed", "rejected")
    assert [len(each["examinations"]) for each in (opened, ended)] == [1, 1]
    assert (opened["examinations"][0]["status"], opened["examinations"][0]["finding"]) == ("created", None)
    with clinic.client("reservation_gateway") as client:
        kept = [client.get(f"/orders/{ids[name]}").json()["status"] for name in ("order", "cancelled")]
        assert (kept, free_seats(client, ids["block"])) == (["confirmed", "cancelled"], 2)


@pytest.mark.parametrize("gateway", ["gateway", "reservation_gateway"])
@pytest.mark.parametrize(
    "target",
    ["/", "/openapi.json", "/asyncapi.json", "/health/live", "/metrics", "/admin/x", "/reception", "/order"],
)
def test_the_gateway_forwards_business_paths_only(clinic: Clinic, gateway: str, target: str) -> None:
    response = httpx2.get(clinic.url(gateway) + target)

    assert response.status_code == 404
    assert response.headers["content-type"] == "application/problem+json"


@pytest.mark.parametrize(
    "body",
    [
        {"patient": PATIENT, "symptoms": "  trimmed  "},
        {"patient": {**PATIENT, "phone": "+49 30 1"}, "symptoms": "x" * 2000},
        {"patient": {**PATIENT, "name": "Ägidius Ω 健 👩🏽‍⚕️"}, "symptoms": "\u200fمرحبا"},
        {"patient": {**PATIENT, "name": "'; drop table reception; --"}, "symptoms": "<script>"},
        {"patient": {**PATIENT, "birth_date": "0001-01-01", "name": "x" * 200}, "symptoms": "."},
    ],
)
def test_what_is_allowed_comes_back_as_it_was_given(clinic: Clinic, body: dict[str, Any]) -> None:
    with clinic.client() as client:
        created = client.post(
            "/receptions", json=body, headers={"Content-Type": "application/json; charset=utf-8"}
        )
        shown = client.get(created.headers["location"]).json()

    assert created.status_code == 201
    assert created.json() == {**shown, "status": "registered"}
    assert shown["symptoms"] == body["symptoms"].strip()
    assert shown["patient"] == {"phone": None, **body["patient"]}


@pytest.mark.parametrize(
    "changes",
    [
        {"customer": "  trimmed  "},
        {"customer": "Ägidius Ω 健 👩🏽‍⚕️"},
        {"customer": "\u200fمرحبا"},
        {"customer": '\'; drop table "order"; --'},
        {"customer": "x" * 200, "seat_id": 2**63 - 1, "quantity": 2**63 - 1},
    ],
)
def test_an_order_comes_back_as_it_was_given(clinic: Clinic, changes: dict[str, Any]) -> None:
    with clinic.client("reservation_gateway") as client:
        body = {"seat_id": create_seats(client, 5), "quantity": 3, **changes}
        created = client.post("/orders", json=body)
        shown = client.get(created.headers["location"]).json()

    assert created.status_code == 201
    assert created.json()["status"] == "placed"
    assert {name: shown[name] for name in body} == {**body, "customer": body["customer"].strip()}
