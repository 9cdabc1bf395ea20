"""The diagnosis: the doctor prescribes examinations and ends with an opinion or a rejection."""

from collections.abc import Sequence
from datetime import datetime
from typing import Literal

from sqlalchemy.orm import DeclarativeBase, Mapped, MappedAsDataclass, mapped_column

from clinic_lib.errors import Refused
from clinic_lib.messages import Command, Id, LongText, Text
from clinic_lib.storage import COLUMN_TYPES, NewIds, View
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

PrescriptionStatus = Literal["prescribed", "created", "performed", "cancelled", "withdrawn"]


class Base(MappedAsDataclass, DeclarativeBase):
    type_annotation_map = COLUMN_TYPES | {
        DiagnosisStatus: COLUMN_TYPES[str],
        PrescriptionStatus: COLUMN_TYPES[str],
    }


class Diagnosis(Base):
    __tablename__ = "diagnosis"

    reception_id: Mapped[int] = mapped_column(primary_key=True)
    patient: Mapped[dict[str, object]]
    symptoms: Mapped[str]
    status: Mapped[DiagnosisStatus]
    created_at: Mapped[datetime]
    opinion: Mapped[str | None] = mapped_column(default=None)
    reason: Mapped[str | None] = mapped_column(default=None)

    @property
    def has_ended(self) -> bool:
        return self.status in ("completed", "rejected", "cancelled")


class Prescription(Base):
    """An examination as the doctor knows it; without `examination_id` until it is created."""

    __tablename__ = "prescription"

    prescription_id: Mapped[int] = mapped_column(primary_key=True)
    reception_id: Mapped[int] = mapped_column(index=True)
    examination: Mapped[str]
    status: Mapped[PrescriptionStatus]
    created_at: Mapped[datetime]
    examination_id: Mapped[int | None] = mapped_column(default=None)
    finding: Mapped[str | None] = mapped_column(default=None)
    reason: Mapped[str | None] = mapped_column(default=None)


class PrescriptionView(View):
    """An examination as the doctor sees it; `id` is the examination's, null until it is created."""

    id: Id | None
    prescription_id: Id
    examination: str
    status: PrescriptionStatus
    finding: str | None
    reason: str | None


class DiagnosisView(View):
    """A diagnosis as the doctor sees it."""

    id: Id
    reception_id: Id
    patient: Patient
    symptoms: str
    status: DiagnosisStatus
    opinion: str | None
    reason: str | None
    created_at: datetime
    examinations: list[PrescriptionView]


class Prescribe(Command):
    reception_id: Id
    examination: Text


class CompleteDiagnosis(Command):
    reception_id: Id
    opinion: LongText


class RejectDiagnosis(Command):
    reception_id: Id
    reason: LongText


def open_diagnosis(event: ReceptionRegistered, at: datetime) -> tuple[Diagnosis, DiagnosisOpened]:
    diagnosis = Diagnosis(
        reception_id=event.reception_id,
        patient=event.patient.model_dump(mode="json"),
        symptoms=event.symptoms,
        status="waiting",
        created_at=at,
    )
    return diagnosis, DiagnosisOpened(reception_id=event.reception_id)


def cancel(
    event: ReceptionCancelled, done: DiagnosisOpened, diagnosis: Diagnosis
) -> DiagnosisCancelled | None:
    """A doctor who was quicker wins: what has ended stays as it is."""
    if diagnosis.has_ended:
        return None
    diagnosis.status = "cancelled"
    diagnosis.reason = event.reason
    return DiagnosisCancelled(reception_id=event.reception_id, reason=event.reason)


def prescribe(
    command: Prescribe, diagnosis: Diagnosis, ids: NewIds[Prescription], at: datetime
) -> tuple[Prescription, ExaminationPrescribed]:
    _refuse_ended(diagnosis)
    prescription = Prescription(
        prescription_id=next(ids),
        reception_id=command.reception_id,
        examination=command.examination,
        status="prescribed",
        created_at=at,
    )
    diagnosis.status = "examination_prescribed"
    event = ExaminationPrescribed(
        reception_id=command.reception_id,
        prescription_id=prescription.prescription_id,
        examination=command.examination,
    )
    return prescription, event


def complete(command: CompleteDiagnosis, diagnosis: Diagnosis) -> DiagnosisCompleted:
    _refuse_ended(diagnosis)
    if diagnosis.status == "examination_prescribed":
        raise Refused("an examination is still open")
    diagnosis.status = "completed"
    diagnosis.opinion = command.opinion
    return DiagnosisCompleted(reception_id=command.reception_id, opinion=command.opinion)


def reject(command: RejectDiagnosis, diagnosis: Diagnosis) -> DiagnosisRejected:
    _refuse_ended(diagnosis)
    diagnosis.status = "rejected"
    diagnosis.reason = command.reason
    return DiagnosisRejected(reception_id=command.reception_id, reason=command.reason)


def note_created(event: ExaminationCreated, prescription: Prescription) -> None:
    prescription.status = "created"
    prescription.examination_id = event.examination_id


def note_performed(
    event: ExaminationPerformed,
    prescription: Prescription,
    prescriptions: list[Prescription],
    diagnosis: Diagnosis,
) -> DiagnosisUpdated | None:
    """A result counts even when the diagnosis ended meanwhile: it wins over a withdrawal on its way."""
    prescription.status = "performed"
    prescription.finding = event.finding
    return _update(diagnosis, prescriptions)


def note_cancelled(
    event: ExaminationCancelled,
    prescription: Prescription,
    prescriptions: list[Prescription],
    diagnosis: Diagnosis,
) -> DiagnosisUpdated | None:
    prescription.status = "cancelled"
    prescription.reason = event.reason
    return _update(diagnosis, prescriptions)


def note_withdrawn(event: ExaminationWithdrawn, prescription: Prescription) -> None:
    """Only a diagnosis that has ended withdraws examinations, so its status stays."""
    prescription.status = "withdrawn"
    prescription.reason = event.reason


def show(diagnosis: Diagnosis, prescriptions: list[Prescription]) -> DiagnosisView:
    return DiagnosisView(
        id=diagnosis.reception_id,
        reception_id=diagnosis.reception_id,
        patient=Patient.model_validate(diagnosis.patient),
        symptoms=diagnosis.symptoms,
        status=diagnosis.status,
        opinion=diagnosis.opinion,
        reason=diagnosis.reason,
        created_at=diagnosis.created_at,
        examinations=[
            PrescriptionView(
                id=prescription.examination_id,
                prescription_id=prescription.prescription_id,
                examination=prescription.examination,
                status=prescription.status,
                finding=prescription.finding,
                reason=prescription.reason,
            )
            for prescription in prescriptions
        ],
    )


def _refuse_ended(diagnosis: Diagnosis) -> None:
    if diagnosis.has_ended:
        raise Refused(f"the diagnosis is already {diagnosis.status}")


def _update(diagnosis: Diagnosis, prescriptions: Sequence[Prescription]) -> DiagnosisUpdated | None:
    status = _status(prescriptions)
    if diagnosis.has_ended or diagnosis.status == status:
        return None
    diagnosis.status = status
    return DiagnosisUpdated(reception_id=diagnosis.reception_id, status=status)


def _status(prescriptions: Sequence[Prescription]) -> DiagnosisStatus:
    """What the examinations make of a diagnosis that has not ended; there is at least one."""
    states = {prescription.status for prescription in prescriptions}
    if states & {"prescribed", "created"}:
        return "examination_prescribed"
    return "examined" if "performed" in states else "examination_cancelled"
