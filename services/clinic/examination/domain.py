"""The examination: prescribed by the doctor, performed or refused by the examiner."""

from datetime import datetime
from typing import Literal

from sqlalchemy.orm import DeclarativeBase, Mapped, MappedAsDataclass, mapped_column

from clinic_lib.errors import Refused
from clinic_lib.messages import Command, Id, LongText
from clinic_lib.storage import COLUMN_TYPES, NewIds, View
from services.clinic.contracts import (
    DiagnosisCancelled,
    DiagnosisRejected,
    ExaminationCancelled,
    ExaminationCreated,
    ExaminationPerformed,
    ExaminationPrescribed,
    ExaminationWithdrawn,
)

ExaminationStatus = Literal["created", "performed", "cancelled", "withdrawn"]


class Base(MappedAsDataclass, DeclarativeBase):
    type_annotation_map = COLUMN_TYPES | {ExaminationStatus: COLUMN_TYPES[str]}


class Examination(Base):
    __tablename__ = "examination"

    examination_id: Mapped[int] = mapped_column(primary_key=True)
    reception_id: Mapped[int] = mapped_column(index=True)
    prescription_id: Mapped[int]
    examination: Mapped[str]
    status: Mapped[ExaminationStatus]
    created_at: Mapped[datetime]
    finding: Mapped[str | None] = mapped_column(default=None)
    reason: Mapped[str | None] = mapped_column(default=None)


class ExaminationView(View):
    """An examination as the examiner sees it."""

    id: Id
    reception_id: Id
    prescription_id: Id
    examination: str
    status: ExaminationStatus
    finding: str | None
    reason: str | None
    created_at: datetime


class GiveResult(Command):
    examination_id: Id
    finding: LongText


class CancelExamination(Command):
    examination_id: Id
    reason: LongText


def create(
    event: ExaminationPrescribed, ids: NewIds[Examination], at: datetime
) -> tuple[Examination, ExaminationCreated]:
    examination = Examination(
        examination_id=next(ids),
        reception_id=event.reception_id,
        prescription_id=event.prescription_id,
        examination=event.examination,
        status="created",
        created_at=at,
    )
    created = ExaminationCreated(
        reception_id=event.reception_id,
        prescription_id=event.prescription_id,
        examination_id=examination.examination_id,
        examination=event.examination,
    )
    return examination, created


def withdraw(
    event: DiagnosisRejected | DiagnosisCancelled, done: ExaminationCreated, examination: Examination
) -> ExaminationWithdrawn | None:
    """An examiner who was quicker wins: what was performed or cancelled stays so."""
    if examination.status != "created":
        return None
    examination.status = "withdrawn"
    examination.reason = event.reason
    return ExaminationWithdrawn(
        reception_id=examination.reception_id,
        prescription_id=examination.prescription_id,
        examination_id=examination.examination_id,
        reason=event.reason,
    )


def perform(command: GiveResult, examination: Examination) -> ExaminationPerformed:
    _refuse_ended(examination)
    examination.status = "performed"
    examination.finding = command.finding
    return ExaminationPerformed(
        reception_id=examination.reception_id,
        prescription_id=examination.prescription_id,
        examination_id=examination.examination_id,
        finding=command.finding,
    )


def cancel(command: CancelExamination, examination: Examination) -> ExaminationCancelled:
    _refuse_ended(examination)
    examination.status = "cancelled"
    examination.reason = command.reason
    return ExaminationCancelled(
        reception_id=examination.reception_id,
        prescription_id=examination.prescription_id,
        examination_id=examination.examination_id,
        reason=command.reason,
    )


def _refuse_ended(examination: Examination) -> None:
    if examination.status != "created":
        raise Refused(f"the examination is already {examination.status}")
