"""Idempotency keys: the same request twice is one effect and one answer."""

from concurrent.futures import ThreadPoolExecutor
from uuid import uuid4

import httpx2
import pytest

from tests.scenarios.clinic import Visit, eventually

BODY = {"patient": {"name": "Ada", "birth_date": "1985-12-10"}, "symptoms": "cough"}


@pytest.fixture
def key() -> dict[str, str]:
    return {"Idempotency-Key": uuid4().hex}


def newest(client: httpx2.Client) -> int:
    return int(client.get("/receptions?limit=1").json()["items"][0]["id"])


def test_the_same_request_gets_the_first_answer_again(gateway: httpx2.Client, key: dict[str, str]) -> None:
    first, second = [gateway.post("/receptions", json=BODY, headers=key) for _ in range(2)]

    assert (first.status_code, first.content) == (second.status_code, second.content)
    assert first.headers["location"] == second.headers["location"]
    assert newest(gateway) == first.json()["id"]


def test_another_body_under_the_same_key_is_refused(gateway: httpx2.Client, key: dict[str, str]) -> None:
    first = gateway.post("/receptions", json=BODY, headers=key)
    second = gateway.post("/receptions", json={**BODY, "symptoms": "fever"}, headers=key)

    assert (first.status_code, second.status_code) == (201, 422)
    assert second.headers["content-type"] == "application/problem+json"


def test_the_same_key_at_another_path_is_another_request(gateway: httpx2.Client, key: dict[str, str]) -> None:
    created = gateway.post("/receptions", json=BODY, headers=key).json()
    cancelled = gateway.post(
        f"/receptions/{created['id']}/cancellation", json={"reason": "went home"}, headers=key
    )

    assert (cancelled.status_code, cancelled.json()["status"]) == (200, "cancelled")


def test_without_a_key_every_request_takes_effect(gateway: httpx2.Client) -> None:
    ids = {gateway.post("/receptions", json=BODY).json()["id"] for _ in range(2)}

    assert len(ids) == 2


def test_a_refusal_is_answered_again_though_it_would_be_allowed_by_now(
    gateway: httpx2.Client, key: dict[str, str]
) -> None:
    visit = Visit(gateway)
    visit.wait_for_the_doctor()
    visit.prescribe()
    path, body = f"/diagnoses/{visit.id}/completion", {"opinion": "a cold"}
    first = gateway.post(path, json=body, headers=key)

    visit.give_result(visit.created_examination())
    visit.ends_as("in_treatment", "examined", "examined")
    again = gateway.post(path, json=body, headers=key)

    assert (first.status_code, again.status_code) == (409, 409)
    assert first.content == again.content


def test_two_at_once_take_effect_once(gateway: httpx2.Client, key: dict[str, str]) -> None:
    visit = Visit(gateway)
    visit.wait_for_the_doctor()

    def prescribe(_: int) -> httpx2.Response:
        return gateway.post(f"/diagnoses/{visit.id}/prescription", json={"examination": "X-ray"}, headers=key)

    with ThreadPoolExecutor(10) as pool:
        answers = list(pool.map(prescribe, range(10)))

    assert {answer.status_code for answer in answers} == {200}
    assert len({answer.content for answer in answers}) == 1
    eventually(lambda: visit.examinations("created") or None)
    assert len(visit.examinations("created")) == 1
