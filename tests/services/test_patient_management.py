"""Where a patient stands, event by event."""

from datetime import UTC, date, datetime, timedelta

import pytest

from services.clinic.contracts import (
    DiagnosisCancelled,
    DiagnosisCompleted,
    DiagnosisOpened,
    DiagnosisRejected,
    DiagnosisUpdated,
    ExaminationPrescribed,
    Patient,
    ReceptionCancelled,
    ReceptionRegistered,
)
from services.clinic.patient_management import domain
from services.clinic.patient_management.domain import Followed, PatientManagement

NOON = datetime(2026, 1, 2, 12, tzinfo=UTC)

REGISTERED = ReceptionRegistered(
    reception_id=7, patient=Patient(name="Ada", birth_date=date(1990, 12, 10)), symptoms="cough"
)
CALLED_OFF = ReceptionCancelled(reception_id=7, reason="went home")
OPENED = DiagnosisOpened(reception_id=7)
PRESCRIBED = ExaminationPrescribed(reception_id=7, prescription_id=3, examination="X-ray")
EXAMINED = DiagnosisUpdated(reception_id=7, status="examined")
REFUSED = DiagnosisUpdated(reception_id=7, status="examination_cancelled")
COMPLETED = DiagnosisCompleted(reception_id=7, opinion="a cold")
REJECTED = DiagnosisRejected(reception_id=7, reason="not ours")
CANCELLED = DiagnosisCancelled(reception_id=7, reason="went home")


def after(*events: Followed) -> PatientManagement:
    """The row once the visit's log, an event a minute, has been folded into it."""
    row = domain.register(REGISTERED, NOON)
    for minutes, event in enumerate(events, 1):
        domain.follow(event, row, NOON + timedelta(minutes=minutes))
    return row


def statuses(row: PatientManagement) -> list[object]:
    return [step["status"] for step in row.steps]


def test_a_registered_patient_is_seen_at_once() -> None:
    row = after()

    assert (row.reception_id, row.name, row.status) == (7, "Ada", "registered")
    assert (row.created_at, row.since) == (NOON, NOON)
    assert row.steps == [{"status": "registered", "at": NOON.isoformat()}]


@pytest.mark.parametrize(
    ("log", "expected"),
    [
        ([OPENED, COMPLETED], ["waiting", "completed"]),
        (
            [OPENED, PRESCRIBED, EXAMINED, COMPLETED],
            ["waiting", "examination_prescribed", "examined", "completed"],
        ),
        (
            [OPENED, PRESCRIBED, REFUSED, PRESCRIBED, EXAMINED],
            [
                "waiting",
                "examination_prescribed",
                "examination_cancelled",
                "examination_prescribed",
                "examined",
            ],
        ),
        ([OPENED, REJECTED], ["waiting", "rejected"]),
        ([OPENED, CALLED_OFF, CANCELLED], ["waiting", "cancelled"]),
    ],
)
def test_each_change_of_status_is_a_step(log: list[Followed], expected: list[str]) -> None:
    assert statuses(after(*log)) == ["registered", *expected]


def test_the_same_status_again_is_no_step() -> None:
    row = after(OPENED, PRESCRIBED, PRESCRIBED)

    assert statuses(row) == ["registered", "waiting", "examination_prescribed"]
    assert row.since == NOON + timedelta(minutes=2)


@pytest.mark.parametrize(
    ("log", "expected"),
    [
        ([CALLED_OFF, OPENED, CANCELLED], "cancelled"),
        ([OPENED, CALLED_OFF, PRESCRIBED, CANCELLED], "cancelled"),
        ([OPENED, CALLED_OFF, COMPLETED], "completed"),
        ([OPENED, COMPLETED, CALLED_OFF], "completed"),
        ([OPENED, CALLED_OFF, REJECTED], "rejected"),
        ([OPENED, REJECTED, CALLED_OFF], "rejected"),
        ([OPENED, PRESCRIBED, REJECTED, EXAMINED], "rejected"),
    ],
)
def test_a_race_has_the_same_winner_in_every_order(log: list[Followed], expected: str) -> None:
    assert after(*log).status == expected
