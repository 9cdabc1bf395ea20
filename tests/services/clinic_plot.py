"""The clinic in the simulation: its services, what people may do, and what has to hold at rest."""

from datetime import date
from itertools import pairwise

from clinic_lib.testing.outcome import Outcome
from clinic_lib.testing.scenario import Scenario
from services.clinic.diagnosis.app import service as diagnosis
from services.clinic.diagnosis.domain import (
    CompleteDiagnosis,
    Diagnosis,
    Prescribe,
    Prescription,
    RejectDiagnosis,
)
from services.clinic.examination.app import service as examination
from services.clinic.examination.domain import CancelExamination, Examination, GiveResult
from services.clinic.patient_management.app import service as patient_management
from services.clinic.patient_management.domain import PatientManagement
from services.clinic.reception.app import service as reception
from services.clinic.reception.domain import CancelReception, NewPatient, Reception, RegisterReception

__all__ = ["CLINIC", "REGISTER_ADA", "a_visit", "all_services_agree", "steps_are_in_order"]

CLINIC = (reception, diagnosis, examination, patient_management)

REGISTER_ADA = RegisterReception(
    patient=NewPatient(name="Ada", birth_date=date(1990, 12, 10)), symptoms="cough"
)


def a_visit(scenario: Scenario) -> None:
    """The doctor, the examiner and the receptionist do what they like, and do not wait for each other."""
    scenario.when(REGISTER_ADA).perhaps(
        Prescribe(reception_id=1, examination="X-ray"),
        GiveResult(examination_id=1, finding="clear"),
        CancelReception(reception_id=1, reason="went home"),
        Prescribe(reception_id=1, examination="ECG"),
        CancelExamination(examination_id=scenario.choose(2, 1), reason="no film"),
        RejectDiagnosis(reception_id=1, reason="not for us"),
        GiveResult(examination_id=2, finding="regular"),
        CompleteDiagnosis(reception_id=1, opinion="healthy"),
    )


def all_services_agree(outcome: Outcome) -> None:
    """A race has one winner."""
    ends = {"completed": "completed", "rejected": "cancelled", "cancelled": "cancelled"}
    receptions = {row.reception_id: row.status for row in outcome.rows(Reception)}
    shown = {row.reception_id: row.status for row in outcome.rows(PatientManagement)}
    for row in outcome.rows(Diagnosis):
        at_reception = receptions[row.reception_id]
        assert at_reception == ends.get(row.status, "in_treatment"), f"{at_reception}, but {row.status}"
        assert shown[row.reception_id] == row.status, f"{shown[row.reception_id]} shown, but {row.status}"
        states = {each.status for each in outcome.rows(Examination) if each.reception_id == row.reception_id}
        assert ("created" in states) == (row.status == "examination_prescribed"), f"{states} of {row.status}"
        assert ("withdrawn" in states) <= (row.status in ("rejected", "cancelled"))
    known = {(row.examination_id, row.status, row.finding) for row in outcome.rows(Prescription)}
    assert known == {(row.examination_id, row.status, row.finding) for row in outcome.rows(Examination)}


def steps_are_in_order(outcome: Outcome) -> None:
    for row in outcome.rows(PatientManagement):
        for status, following in pairwise([step["status"] for step in row.steps]):
            assert status not in ("completed", "rejected")
            assert status != "cancelled" or following in ("completed", "rejected")
            assert status != following
