"""The reception: a patient is registered, and hears how the visit ended."""

from datetime import datetime
from typing import Literal

from sqlalchemy.orm import DeclarativeBase, Mapped, MappedAsDataclass, mapped_column

from clinic_lib.errors import Refused
from clinic_lib.messages import Command, Id, LongText, PastDate, Text
from clinic_lib.storage import COLUMN_TYPES, NewIds, View
from services.clinic.contracts import (
    DiagnosisCompleted,
    DiagnosisOpened,
    DiagnosisRejected,
    Patient,
    ReceptionCancelled,
    ReceptionRegistered,
)

ReceptionStatus = Literal["registered", "in_treatment", "completed", "cancelled"]


class Base(MappedAsDataclass, DeclarativeBase):
    type_annotation_map = COLUMN_TYPES | {ReceptionStatus: COLUMN_TYPES[str]}


class Reception(Base):
    __tablename__ = "reception"

    reception_id: Mapped[int] = mapped_column(primary_key=True)
    patient: Mapped[dict[str, object]]
    symptoms: Mapped[str]
    status: Mapped[ReceptionStatus]
    created_at: Mapped[datetime]
    reason: Mapped[str | None] = mapped_column(default=None)


class ReceptionView(View):
    """A reception as the receptionist sees it."""

    id: Id
    patient: Patient
    symptoms: str
    status: ReceptionStatus
    reason: str | None
    created_at: datetime


class NewPatient(Command):
    """Who comes to the clinic, as the receptionist writes it down."""

    name: Text
    birth_date: PastDate
    phone: Text | None = None


class RegisterReception(Command):
    patient: NewPatient
    symptoms: LongText


class CancelReception(Command):
    reception_id: Id
    reason: LongText


def register(
    command: RegisterReception, ids: NewIds[Reception], at: datetime
) -> tuple[Reception, ReceptionRegistered]:
    patient = Patient.model_validate(command.patient.model_dump())
    reception = Reception(
        reception_id=next(ids),
        patient=patient.model_dump(mode="json"),
        symptoms=command.symptoms,
        status="registered",
        created_at=at,
    )
    event = ReceptionRegistered(
        reception_id=reception.reception_id, patient=patient, symptoms=command.symptoms
    )
    return reception, event


def cancel(command: CancelReception, reception: Reception) -> ReceptionCancelled:
    if reception.status not in ("registered", "in_treatment"):
        raise Refused(f"the reception is already {reception.status}")
    reception.status = "cancelled"
    reception.reason = command.reason
    return ReceptionCancelled(reception_id=command.reception_id, reason=command.reason)


def treat(event: DiagnosisOpened, reception: Reception) -> None:
    if reception.status == "registered":
        reception.status = "in_treatment"


def complete(event: DiagnosisCompleted, reception: Reception) -> None:
    """An opinion wins over a cancellation that had not reached the doctor."""
    reception.status = "completed"
    reception.reason = None


def cancel_rejected(event: DiagnosisRejected, done: ReceptionRegistered, reception: Reception) -> None:
    if reception.status != "cancelled":
        reception.status = "cancelled"
        reception.reason = event.reason
