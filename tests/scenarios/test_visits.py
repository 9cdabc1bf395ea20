"""The clinic's stories, through the gateway: every status is seen everywhere within a second."""

from itertools import chain

import httpx2
import pytest

from services.clinic import demo
from tests.scenarios.clinic import Clinic, Visit, eventually


def test_a_visit_that_ends_well(gateway: httpx2.Client) -> None:
    visit = Visit(gateway)
    visit.ends_as("in_treatment", "waiting", "waiting")

    visit.prescribe("X-ray")
    examination = visit.created_examination()
    visit.ends_as("in_treatment", "examination_prescribed", "examination_prescribed")

    visit.give_result(examination)
    visit.ends_as("in_treatment", "examined", "examined")
    diagnosis = visit.show("diagnoses")
    assert diagnosis is not None
    assert [(each["id"], each["finding"]) for each in diagnosis["examinations"]] == [(examination, "clear")]

    visit.complete()
    visit.ends_as("completed", "completed", "completed")


def test_a_visit_with_a_refused_examination(gateway: httpx2.Client) -> None:
    visit = Visit(gateway)
    visit.wait_for_the_doctor()
    visit.prescribe()

    visit.refuse(visit.created_examination())
    visit.ends_as("in_treatment", "examination_cancelled", "examination_cancelled")

    visit.complete()
    visit.ends_as("completed", "completed", "completed")


def test_a_rejected_visit_withdraws_its_open_examinations(gateway: httpx2.Client) -> None:
    visit = Visit(gateway)
    visit.wait_for_the_doctor()
    visit.prescribe("X-ray")
    performed = visit.created_examination()
    visit.give_result(performed)
    visit.ends_as("in_treatment", "examined", "examined")
    visit.prescribe("MRI")
    visit.prescribe("blood test")
    eventually(lambda: len(visit.examinations("created")) == 2 or None)

    visit.reject()

    visit.ends_as("cancelled", "rejected", "rejected")
    eventually(lambda: len(visit.examinations("withdrawn")) == 2 or None)
    assert visit.examinations("performed") == [performed]


def test_a_visit_cancelled_at_the_reception_is_compensated_everywhere(gateway: httpx2.Client) -> None:
    visit = Visit(gateway)
    visit.wait_for_the_doctor()
    visit.prescribe()
    examination = visit.created_examination()

    visit.cancel()

    visit.ends_as("cancelled", "cancelled", "cancelled")
    eventually(lambda: visit.examinations("withdrawn") == [examination] or None)
    refused = gateway.post(f"/examinations/{examination}/result", json={"finding": "clear"})
    assert refused.status_code == 409


def test_a_visit_cancelled_at_once_reaches_the_same_end(gateway: httpx2.Client) -> None:
    visit = Visit(gateway)

    visit.cancel()

    visit.ends_as("cancelled", "cancelled", "cancelled")


def test_patient_management_keeps_every_step_in_order(clinic: Clinic, gateway: httpx2.Client) -> None:
    visit = Visit(gateway, "Grace Hopper")
    visit.wait_for_the_doctor()
    visit.prescribe()
    visit.give_result(visit.created_examination())
    visit.ends_as("in_treatment", "examined", "examined")
    visit.complete()
    visit.ends_as("completed", "completed", "completed")

    with clinic.client("patient_management") as direct:
        seen = direct.get(f"/patientManagements/{visit.id}").json()
        page = direct.get("/patientManagements").json()["items"]

    steps = [step["status"] for step in seen["steps"]]
    assert steps == ["registered", "waiting", "examination_prescribed", "examined", "completed"]
    assert [step["at"] for step in seen["steps"]] == sorted(step["at"] for step in seen["steps"])
    assert seen["since"] == seen["steps"][-1]["at"]
    assert seen["name"] == "Grace Hopper"
    assert seen in page


def test_the_newest_of_a_collection_comes_first_page_by_page(gateway: httpx2.Client) -> None:
    visits = [Visit(gateway).id for _ in range(5)]

    url: str | None = "/receptions?limit=2"
    pages: list[list[int]] = []
    while url and len(pages) < 3:
        page = gateway.get(url).json()
        pages.append([item["id"] for item in page["items"]])
        url = page["next"]

    assert list(chain(*pages))[:5] == visits[::-1]


def test_the_last_page_has_no_next(gateway: httpx2.Client) -> None:
    visit = Visit(gateway)
    visit.wait_for_the_doctor()
    for _ in range(3):
        visit.prescribe()
    eventually(lambda: len(visit.examinations("created")) == 3 or None)

    first = gateway.get("/examinations", params={"reception_id": visit.id, "limit": 2}).json()
    second = gateway.get(first["next"]).json()

    assert (len(first["items"]), len(second["items"])) == (2, 1)
    assert {item["reception_id"] for item in first["items"] + second["items"]} == {visit.id}
    assert second["next"] is None


def test_the_demo_tells_its_stories(clinic: Clinic, capsys: pytest.CaptureFixture[str]) -> None:
    assert demo.main(clinic.url("gateway")) == 0

    told = capsys.readouterr().out
    assert all(title in told for title in demo.STORIES)


def test_the_demo_says_when_nothing_serves(capsys: pytest.CaptureFixture[str]) -> None:
    assert demo.main("http://127.0.0.1:9") == 1

    assert "http://127.0.0.1:9" in capsys.readouterr().out
