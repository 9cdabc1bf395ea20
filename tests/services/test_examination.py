"""What the examiner's side decides."""

from datetime import UTC, datetime

import pytest

from clinic_lib.errors import Refused
from clinic_lib.storage import NewIds
from services.clinic.contracts import (
    DiagnosisCancelled,
    DiagnosisRejected,
    ExaminationCancelled,
    ExaminationCreated,
    ExaminationPerformed,
    ExaminationPrescribed,
    ExaminationWithdrawn,
)
from services.clinic.examination import domain
from services.clinic.examination.domain import CancelExamination, Examination, ExaminationStatus, GiveResult

NOON = datetime(2026, 1, 2, 12, tzinfo=UTC)
CREATED = ExaminationCreated(reception_id=7, prescription_id=3, examination_id=5, examination="X-ray")
ENDED: list[ExaminationStatus] = ["performed", "cancelled", "withdrawn"]
FAILURES = [
    DiagnosisRejected(reception_id=7, reason="not ours"),
    DiagnosisCancelled(reception_id=7, reason="not ours"),
]


def examination(status: ExaminationStatus) -> Examination:
    return Examination(
        examination_id=5,
        reception_id=7,
        prescription_id=3,
        examination="X-ray",
        status=status,
        created_at=NOON,
    )


def test_a_prescribed_examination_is_created() -> None:
    event = ExaminationPrescribed(reception_id=7, prescription_id=3, examination="X-ray")

    row, created = domain.create(event, NewIds[Examination]([5]), NOON)

    assert row == examination("created")
    assert created == CREATED


def test_a_result_performs_the_examination() -> None:
    row = examination("created")

    event = domain.perform(GiveResult(examination_id=5, finding="clear"), row)

    assert event == ExaminationPerformed(reception_id=7, prescription_id=3, examination_id=5, finding="clear")
    assert (row.status, row.finding) == ("performed", "clear")


def test_the_examiner_may_refuse() -> None:
    row = examination("created")

    event = domain.cancel(CancelExamination(examination_id=5, reason="no film"), row)

    assert event == ExaminationCancelled(
        reception_id=7, prescription_id=3, examination_id=5, reason="no film"
    )
    assert (row.status, row.reason) == ("cancelled", "no film")


@pytest.mark.parametrize("status", ENDED)
def test_an_ended_examination_refuses_result_and_cancellation(status: ExaminationStatus) -> None:
    row = examination(status)

    with pytest.raises(Refused, match=f"already {status}"):
        domain.perform(GiveResult(examination_id=5, finding="clear"), row)
    with pytest.raises(Refused, match=f"already {status}"):
        domain.cancel(CancelExamination(examination_id=5, reason="no film"), row)

    assert row == examination(status)


@pytest.mark.parametrize("failure", FAILURES)
def test_an_open_examination_is_withdrawn_when_its_diagnosis_ends(
    failure: DiagnosisRejected | DiagnosisCancelled,
) -> None:
    row = examination("created")

    event = domain.withdraw(failure, CREATED, row)

    assert event == ExaminationWithdrawn(
        reception_id=7, prescription_id=3, examination_id=5, reason="not ours"
    )
    assert (row.status, row.reason) == ("withdrawn", "not ours")


@pytest.mark.parametrize("failure", FAILURES)
@pytest.mark.parametrize("status", ENDED)
def test_what_the_examiner_ended_before_is_not_withdrawn(
    failure: DiagnosisRejected | DiagnosisCancelled, status: ExaminationStatus
) -> None:
    row = examination(status)

    event = domain.withdraw(failure, CREATED, row)

    assert event is None
    assert row == examination(status)
