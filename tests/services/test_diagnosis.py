"""What the doctor's side decides."""

from datetime import UTC, date, datetime

import pytest

from clinic_lib.errors import Refused
from clinic_lib.storage import NewIds
from services.clinic.contracts import (
    DiagnosisCancelled,
    DiagnosisCompleted,
    DiagnosisOpened,
    DiagnosisRejected,
    DiagnosisStatus,
    DiagnosisUpdated,
    ExaminationCancelled,
    ExaminationCreated,
    ExaminationPerformed,
    ExaminationPrescribed,
    ExaminationWithdrawn,
    Patient,
    ReceptionCancelled,
    ReceptionRegistered,
)
from services.clinic.diagnosis import domain
from services.clinic.diagnosis.domain import (
    CompleteDiagnosis,
    Diagnosis,
    Prescribe,
    Prescription,
    PrescriptionStatus,
    RejectDiagnosis,
)

NOON = datetime(2026, 1, 2, 12, tzinfo=UTC)
ADA = Patient(name="Ada", birth_date=date(1990, 12, 10))
ENDED: list[DiagnosisStatus] = ["completed", "rejected", "cancelled"]
OPEN: list[DiagnosisStatus] = ["waiting", "examination_prescribed", "examined", "examination_cancelled"]

PRESCRIBE = Prescribe(reception_id=7, examination="X-ray")
COMPLETE = CompleteDiagnosis(reception_id=7, opinion="a cold")
REJECT = RejectDiagnosis(reception_id=7, reason="not ours")
PERFORMED = ExaminationPerformed(reception_id=7, prescription_id=3, examination_id=5, finding="clear")
CANCELLED = ExaminationCancelled(reception_id=7, prescription_id=3, examination_id=5, reason="no film")


def diagnosis(status: DiagnosisStatus) -> Diagnosis:
    return Diagnosis(
        reception_id=7, patient=ADA.model_dump(mode="json"), symptoms="cough", status=status, created_at=NOON
    )


def prescription(prescription_id: int, status: PrescriptionStatus) -> Prescription:
    return Prescription(
        prescription_id=prescription_id,
        reception_id=7,
        examination="X-ray",
        status=status,
        created_at=NOON,
    )


def test_a_registered_patient_waits_for_the_doctor() -> None:
    event = ReceptionRegistered(reception_id=7, patient=ADA, symptoms="cough")

    row, opened = domain.open_diagnosis(event, NOON)

    assert row == diagnosis("waiting")
    assert opened == DiagnosisOpened(reception_id=7)


@pytest.mark.parametrize("status", OPEN)
def test_a_cancelled_visit_cancels_an_open_diagnosis(status: DiagnosisStatus) -> None:
    row = diagnosis(status)

    event = domain.cancel(
        ReceptionCancelled(reception_id=7, reason="went home"), DiagnosisOpened(reception_id=7), row
    )

    assert event == DiagnosisCancelled(reception_id=7, reason="went home")
    assert (row.status, row.reason) == ("cancelled", "went home")


@pytest.mark.parametrize("status", ENDED)
def test_a_cancelled_visit_leaves_an_ended_diagnosis_alone(status: DiagnosisStatus) -> None:
    row = diagnosis(status)

    event = domain.cancel(
        ReceptionCancelled(reception_id=7, reason="went home"), DiagnosisOpened(reception_id=7), row
    )

    assert event is None
    assert row == diagnosis(status)


@pytest.mark.parametrize("status", OPEN)
def test_an_open_diagnosis_takes_prescriptions(status: DiagnosisStatus) -> None:
    row = diagnosis(status)

    prescribed, event = domain.prescribe(PRESCRIBE, row, NewIds[Prescription]([3]), NOON)

    assert prescribed == prescription(3, "prescribed")
    assert event == ExaminationPrescribed(reception_id=7, prescription_id=3, examination="X-ray")
    assert row.status == "examination_prescribed"


@pytest.mark.parametrize("status", ["waiting", "examined", "examination_cancelled"])
def test_a_diagnosis_without_an_open_examination_can_be_completed(status: DiagnosisStatus) -> None:
    row = diagnosis(status)

    event = domain.complete(COMPLETE, row)

    assert event == DiagnosisCompleted(reception_id=7, opinion="a cold")
    assert (row.status, row.opinion) == ("completed", "a cold")


def test_an_open_examination_keeps_the_diagnosis_from_completion() -> None:
    row = diagnosis("examination_prescribed")

    with pytest.raises(Refused, match="still open"):
        domain.complete(COMPLETE, row)

    assert row == diagnosis("examination_prescribed")


@pytest.mark.parametrize("status", OPEN)
def test_an_open_diagnosis_can_be_rejected(status: DiagnosisStatus) -> None:
    row = diagnosis(status)

    event = domain.reject(REJECT, row)

    assert event == DiagnosisRejected(reception_id=7, reason="not ours")
    assert (row.status, row.reason) == ("rejected", "not ours")


@pytest.mark.parametrize("status", ENDED)
def test_an_ended_diagnosis_refuses_every_command(status: DiagnosisStatus) -> None:
    row = diagnosis(status)

    with pytest.raises(Refused, match=f"already {status}"):
        domain.prescribe(PRESCRIBE, row, NewIds[Prescription]([3]), NOON)
    with pytest.raises(Refused, match=f"already {status}"):
        domain.complete(COMPLETE, row)
    with pytest.raises(Refused, match=f"already {status}"):
        domain.reject(REJECT, row)

    assert row == diagnosis(status)


def test_a_created_examination_gets_its_id() -> None:
    row = prescription(3, "prescribed")

    domain.note_created(
        ExaminationCreated(reception_id=7, prescription_id=3, examination_id=5, examination="X-ray"), row
    )

    assert (row.status, row.examination_id) == ("created", 5)


def test_a_result_makes_the_diagnosis_examined() -> None:
    row, visit = prescription(3, "created"), diagnosis("examination_prescribed")

    event = domain.note_performed(PERFORMED, row, [row], visit)

    assert (row.status, row.finding) == ("performed", "clear")
    assert event == DiagnosisUpdated(reception_id=7, status="examined")
    assert visit.status == "examined"


def test_a_refused_examination_goes_back_to_the_doctor() -> None:
    row, visit = prescription(3, "created"), diagnosis("examination_prescribed")

    event = domain.note_cancelled(CANCELLED, row, [row], visit)

    assert (row.status, row.reason) == ("cancelled", "no film")
    assert event == DiagnosisUpdated(reception_id=7, status="examination_cancelled")
    assert visit.status == "examination_cancelled"


@pytest.mark.parametrize(
    ("others", "status"),
    [
        (["performed"], "examined"),
        (["cancelled"], "examination_cancelled"),
        (["cancelled", "performed"], "examined"),
    ],
)
def test_one_result_among_refused_examinations_makes_the_diagnosis_examined(
    others: list[PrescriptionStatus], status: DiagnosisStatus
) -> None:
    rows = [prescription(number, other) for number, other in enumerate(others, 10)]
    row, visit = prescription(3, "created"), diagnosis("examination_prescribed")

    event = domain.note_cancelled(CANCELLED, row, [row, *rows], visit)

    assert event == DiagnosisUpdated(reception_id=7, status=status)


@pytest.mark.parametrize("other", ["prescribed", "created"])
def test_a_diagnosis_stays_prescribed_while_another_examination_is_open(other: PrescriptionStatus) -> None:
    row, visit = prescription(3, "created"), diagnosis("examination_prescribed")

    event = domain.note_performed(PERFORMED, row, [row, prescription(4, other)], visit)

    assert event is None
    assert visit.status == "examination_prescribed"


@pytest.mark.parametrize("status", ENDED)
def test_a_result_is_kept_though_the_diagnosis_has_ended(status: DiagnosisStatus) -> None:
    row, visit = prescription(3, "created"), diagnosis(status)

    event = domain.note_performed(PERFORMED, row, [row], visit)

    assert event is None
    assert (row.status, row.finding) == ("performed", "clear")
    assert visit == diagnosis(status)


def test_a_withdrawn_examination_carries_the_reason() -> None:
    row = prescription(3, "created")

    domain.note_withdrawn(
        ExaminationWithdrawn(reception_id=7, prescription_id=3, examination_id=5, reason="not ours"), row
    )

    assert (row.status, row.reason) == ("withdrawn", "not ours")


def test_the_doctor_sees_patient_and_examinations() -> None:
    taken_up = prescription(3, "prescribed")
    domain.note_created(
        ExaminationCreated(reception_id=7, prescription_id=3, examination_id=5, examination="X-ray"), taken_up
    )

    view = domain.show(diagnosis("examination_prescribed"), [taken_up, prescription(4, "prescribed")])

    assert (view.id, view.reception_id, view.patient) == (7, 7, ADA)
    assert [(each.id, each.prescription_id) for each in view.examinations] == [(5, 3), (None, 4)]
