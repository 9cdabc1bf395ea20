"""Two people at once: one winner, and all services agree on it."""

from collections.abc import Callable
from functools import partial

import httpx2
import pytest

from tests.scenarios.clinic import Clinic, Visit, at_once, eventually

ROUNDS = 10


def statuses(*requests: Callable[[], httpx2.Response]) -> list[int]:
    """The statuses of requests that start together."""
    return [answer.status_code for answer in at_once(*requests)]


def examined_visit(gateway: httpx2.Client) -> tuple[Visit, int]:
    """A visit with an examination that waits for the examiner."""
    visit = Visit(gateway)
    visit.wait_for_the_doctor()
    visit.prescribe()
    return visit, visit.created_examination()


@pytest.mark.parametrize("_", range(ROUNDS))
def test_completion_against_cancellation_at_the_reception(gateway: httpx2.Client, _: int) -> None:
    visit = Visit(gateway)
    visit.wait_for_the_doctor()

    completed, cancelled = statuses(
        lambda: gateway.post(f"/diagnoses/{visit.id}/completion", json={"opinion": "a cold"}),
        lambda: gateway.post(f"/receptions/{visit.id}/cancellation", json={"reason": "went home"}),
    )

    assert {completed, cancelled} <= {200, 409}
    end = "completed" if completed == httpx2.codes.OK else "cancelled"
    visit.ends_as(end, end, end, within=2)


@pytest.mark.parametrize("_", range(ROUNDS))
def test_rejection_against_cancellation_at_the_reception(gateway: httpx2.Client, _: int) -> None:
    visit, examination = examined_visit(gateway)

    rejected, cancelled = statuses(
        lambda: gateway.post(f"/diagnoses/{visit.id}/rejection", json={"reason": "not ours"}),
        lambda: gateway.post(f"/receptions/{visit.id}/cancellation", json={"reason": "went home"}),
    )

    assert httpx2.codes.OK in (rejected, cancelled)
    end = "rejected" if rejected == httpx2.codes.OK else "cancelled"
    visit.ends_as("cancelled", end, end, within=2)
    eventually(lambda: visit.examinations("withdrawn") == [examination] or None)


@pytest.mark.parametrize("_", range(ROUNDS))
def test_a_result_against_a_rejection(gateway: httpx2.Client, _: int) -> None:
    visit, examination = examined_visit(gateway)

    performed, rejected = statuses(
        lambda: gateway.post(f"/examinations/{examination}/result", json={"finding": "clear"}),
        lambda: gateway.post(f"/diagnoses/{visit.id}/rejection", json={"reason": "not ours"}),
    )

    assert rejected == 200
    visit.ends_as("cancelled", "rejected", "rejected", within=2)
    end = "performed" if performed == httpx2.codes.OK else "withdrawn"
    eventually(lambda: visit.examinations(end) == [examination] or None)
    eventually(lambda: seen_by_the_doctor(visit) == [end] or None)


@pytest.mark.parametrize("_", range(ROUNDS))
def test_a_result_against_a_refusal_of_the_same_examination(gateway: httpx2.Client, _: int) -> None:
    visit, examination = examined_visit(gateway)

    performed, refused = statuses(
        lambda: gateway.post(f"/examinations/{examination}/result", json={"finding": "clear"}),
        lambda: gateway.post(f"/examinations/{examination}/cancellation", json={"reason": "no film"}),
    )

    assert sorted((performed, refused)) == [200, 409]
    end = "examined" if performed == httpx2.codes.OK else "examination_cancelled"
    visit.ends_as("in_treatment", end, end, within=2)


def test_many_who_complete_at_once_have_one_winner(clinic: Clinic, gateway: httpx2.Client) -> None:
    visit = Visit(gateway)
    visit.wait_for_the_doctor()

    path = f"/diagnoses/{visit.id}/completion"
    requests = [partial(gateway.post, path, json={"opinion": str(number)}) for number in range(20)]
    ended = statuses(*requests)

    assert sorted(ended) == [200, *[409] * 19]
    visit.ends_as("completed", "completed", "completed")


def seen_by_the_doctor(visit: Visit) -> list[str]:
    diagnosis = visit.show("diagnoses")
    assert diagnosis is not None
    return [each["status"] for each in diagnosis["examinations"]]
