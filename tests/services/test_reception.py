"""What the reception decides."""

from datetime import UTC, date, datetime

import pytest

from clinic_lib.errors import Refused
from clinic_lib.storage import NewIds
from services.clinic.contracts import (
    DiagnosisCompleted,
    DiagnosisOpened,
    DiagnosisRejected,
    Patient,
    ReceptionCancelled,
    ReceptionRegistered,
)
from services.clinic.reception import domain
from services.clinic.reception.domain import (
    CancelReception,
    NewPatient,
    Reception,
    ReceptionStatus,
    RegisterReception,
)

NOON = datetime(2026, 1, 2, 12, tzinfo=UTC)
ADA = Patient(name="Ada", birth_date=date(1990, 12, 10), phone="555")
REGISTERED = ReceptionRegistered(reception_id=7, patient=ADA, symptoms="cough")
CANCEL = CancelReception(reception_id=7, reason="went home")


def reception(status: ReceptionStatus) -> Reception:
    return Reception(
        reception_id=7, patient=ADA.model_dump(mode="json"), symptoms="cough", status=status, created_at=NOON
    )


def test_a_registered_patient_waits_for_treatment() -> None:
    command = RegisterReception(patient=NewPatient(**ADA.model_dump()), symptoms="cough")

    row, event = domain.register(command, NewIds[Reception]([7]), NOON)

    assert row == reception("registered")
    assert event == REGISTERED


def test_an_opened_diagnosis_puts_the_patient_in_treatment() -> None:
    row = reception("registered")

    domain.treat(DiagnosisOpened(reception_id=7), row)

    assert row.status == "in_treatment"


def test_a_diagnosis_opened_after_the_cancellation_changes_nothing() -> None:
    row = reception("cancelled")

    domain.treat(DiagnosisOpened(reception_id=7), row)

    assert row.status == "cancelled"


@pytest.mark.parametrize("status", ["registered", "in_treatment"])
def test_a_running_visit_can_be_cancelled(status: ReceptionStatus) -> None:
    row = reception(status)

    event = domain.cancel(CANCEL, row)

    assert event == ReceptionCancelled(reception_id=7, reason="went home")
    assert (row.status, row.reason) == ("cancelled", "went home")


@pytest.mark.parametrize("status", ["completed", "cancelled"])
def test_an_ended_visit_refuses_a_cancellation(status: ReceptionStatus) -> None:
    row = reception(status)

    with pytest.raises(Refused, match=f"already {status}"):
        domain.cancel(CANCEL, row)

    assert row.status == status


def test_an_opinion_wins_over_a_cancellation() -> None:
    row = reception("in_treatment")
    domain.cancel(CANCEL, row)

    domain.complete(DiagnosisCompleted(reception_id=7, opinion="a cold"), row)

    assert (row.status, row.reason) == ("completed", None)


def test_a_rejection_cancels_the_visit_with_the_doctors_reason() -> None:
    row = reception("in_treatment")

    domain.cancel_rejected(DiagnosisRejected(reception_id=7, reason="not ours"), REGISTERED, row)

    assert (row.status, row.reason) == ("cancelled", "not ours")


def test_a_cancelled_visit_keeps_the_receptionists_reason_when_the_doctor_rejects_too() -> None:
    row = reception("in_treatment")
    domain.cancel(CANCEL, row)

    domain.cancel_rejected(DiagnosisRejected(reception_id=7, reason="not ours"), REGISTERED, row)

    assert (row.status, row.reason) == ("cancelled", "went home")
