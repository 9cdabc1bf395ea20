"""The clinic's events: one log, keyed by the reception, in causal order."""

from datetime import date, timedelta
from typing import Literal

from pydantic import BaseModel, ConfigDict

from clinic_lib.messages import Event, Id, LongText, Text
from clinic_lib.saga import Saga

__all__ = [
    "ClinicEvent",
    "DiagnosisCancelled",
    "DiagnosisCompleted",
    "DiagnosisOpened",
    "DiagnosisRejected",
    "DiagnosisStatus",
    "DiagnosisUpdated",
    "ExaminationCancelled",
    "ExaminationCreated",
    "ExaminationPerformed",
    "ExaminationPrescribed",
    "ExaminationWithdrawn",
    "Patient",
    "ReceptionCancelled",
    "ReceptionRegistered",
    "visit",
]

DiagnosisStatus = Literal[
    "waiting",
    "examination_prescribed",
    "examined",
    "examination_cancelled",
    "completed",
    "rejected",
    "cancelled",
]


class Patient(BaseModel):
    """Who comes to the clinic. What a newer version adds is ignored, and nobody's clock is asked again."""

    model_config = ConfigDict(frozen=True)

    name: Text
    birth_date: date
    phone: Text | None = None


class ClinicEvent(Event, topic="clinic", key="reception_id"):
    """Something that happened to the visit `reception_id`."""

    reception_id: Id


class ReceptionRegistered(ClinicEvent):
    """A receptionist registered a patient."""

    patient: Patient
    symptoms: LongText


class ReceptionCancelled(ClinicEvent, failure=True):
    """The visit was called off at the reception; what was done for it is compensated."""

    reason: LongText


class DiagnosisOpened(ClinicEvent):
    """The patient waits for the doctor."""


class DiagnosisUpdated(ClinicEvent, fact=True):
    """The diagnosis's status followed from what happened to its examinations."""

    status: DiagnosisStatus


class DiagnosisCompleted(ClinicEvent):
    """The doctor gave an opinion: the visit ends well."""

    opinion: LongText


class DiagnosisRejected(ClinicEvent, failure=True):
    """The doctor rejected the case: open examinations are withdrawn, the reception is cancelled."""

    reason: LongText


class DiagnosisCancelled(ClinicEvent, failure=True):
    """The reception's cancellation reached the doctor before an opinion was given."""

    reason: LongText


class ExaminationPrescribed(ClinicEvent):
    """The doctor wants an examination."""

    prescription_id: Id
    examination: Text


class ExaminationCreated(ClinicEvent):
    """The examination waits for the examiner."""

    prescription_id: Id
    examination_id: Id
    examination: Text


class ExaminationPerformed(ClinicEvent):
    """The examiner gave a result."""

    prescription_id: Id
    examination_id: Id
    finding: LongText


class ExaminationCancelled(ClinicEvent):
    """The examiner refused; the doctor decides how to go on."""

    prescription_id: Id
    examination_id: Id
    reason: LongText


class ExaminationWithdrawn(ClinicEvent):
    """The examination was called off because its diagnosis ended."""

    prescription_id: Id
    examination_id: Id
    reason: LongText


visit = Saga(
    "visit",
    starts=ReceptionRegistered,
    ends=(ReceptionCancelled, DiagnosisCompleted, DiagnosisRejected, DiagnosisCancelled),
    deadline=timedelta(days=1),
)
"""From the registration to the doctor's or the receptionist's word; what is open after a day is overdue."""
