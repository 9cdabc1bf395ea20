"""Patient management: where every patient stands, told by events alone.

The log of a visit is in causal order, yet a cancellation may stand before what the doctor did meanwhile.
Hence the one rule: `completed` and `rejected` are final, `cancelled` gives way to those two only.
"""

from datetime import datetime
from typing import Literal

from sqlalchemy.orm import DeclarativeBase, Mapped, MappedAsDataclass, mapped_column

from clinic_lib.messages import Id
from clinic_lib.storage import COLUMN_TYPES, View
from services.clinic.contracts import (
    ClinicEvent,
    DiagnosisCancelled,
    DiagnosisCompleted,
    DiagnosisOpened,
    DiagnosisRejected,
    DiagnosisStatus,
    DiagnosisUpdated,
    ExaminationPrescribed,
    ReceptionCancelled,
    ReceptionRegistered,
)

PatientStatus = Literal["registered", DiagnosisStatus]

Followed = (
    ReceptionCancelled
    | DiagnosisOpened
    | DiagnosisUpdated
    | DiagnosisCompleted
    | DiagnosisRejected
    | DiagnosisCancelled
    | ExaminationPrescribed
)

STATUS_AFTER: dict[type[ClinicEvent], PatientStatus] = {
    ReceptionCancelled: "cancelled",
    DiagnosisOpened: "waiting",
    DiagnosisCompleted: "completed",
    DiagnosisRejected: "rejected",
    DiagnosisCancelled: "cancelled",
    ExaminationPrescribed: "examination_prescribed",
}


class Base(MappedAsDataclass, DeclarativeBase):
    type_annotation_map = COLUMN_TYPES | {PatientStatus: COLUMN_TYPES[str]}


class PatientManagement(Base):
    __tablename__ = "patient_management"

    reception_id: Mapped[int] = mapped_column(primary_key=True)
    name: Mapped[str]
    status: Mapped[PatientStatus]
    since: Mapped[datetime]
    steps: Mapped[list[dict[str, object]]]
    created_at: Mapped[datetime]


class StepView(View):
    """A status the patient had, and since when."""

    status: PatientStatus
    at: datetime


class PatientManagementView(View):
    """Where a patient stands, and the steps so far."""

    id: Id
    reception_id: Id
    name: str
    status: PatientStatus
    since: datetime
    steps: list[StepView]
    created_at: datetime


def register(event: ReceptionRegistered, at: datetime) -> PatientManagement:
    return PatientManagement(
        reception_id=event.reception_id,
        name=event.patient.name,
        status="registered",
        since=at,
        steps=[_step("registered", at)],
        created_at=at,
    )


def follow(event: Followed, management: PatientManagement, at: datetime) -> PatientManagement:
    status = event.status if isinstance(event, DiagnosisUpdated) else STATUS_AFTER[type(event)]
    if status != management.status and _may_follow(management.status, status):
        management.status = status
        management.since = at
        management.steps = [*management.steps, _step(status, at)]
    return management


def _may_follow(status: PatientStatus, following: PatientStatus) -> bool:
    if status == "cancelled":
        return following in ("completed", "rejected")
    return status not in ("completed", "rejected")


def _step(status: PatientStatus, at: datetime) -> dict[str, object]:
    return {"status": status, "at": at.isoformat()}
