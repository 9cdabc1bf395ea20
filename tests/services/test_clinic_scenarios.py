"""Stories of a visit, with the clinic's services as they are, in the simulation."""

import pytest

from clinic_lib.testing.promises import EVERY_PROMISE, no_dead_letters, nothing_lost, nothing_twice
from clinic_lib.testing.scenario import Scenario
from clinic_lib.testing.simulation.schedule import SOME_OF_EACH
from services.clinic.contracts import (
    DiagnosisCancelled,
    DiagnosisCompleted,
    DiagnosisOpened,
    DiagnosisRejected,
    ExaminationCreated,
    ExaminationPerformed,
    ExaminationPrescribed,
    ExaminationWithdrawn,
    ReceptionCancelled,
)
from services.clinic.diagnosis.domain import CompleteDiagnosis, Prescribe, RejectDiagnosis
from services.clinic.examination.domain import Examination, GiveResult
from services.clinic.patient_management.domain import PatientManagement
from services.clinic.reception.domain import CancelReception, Reception
from tests.services.clinic_plot import CLINIC, REGISTER_ADA, a_visit, all_services_agree, steps_are_in_order

AGREEMENT = (all_services_agree, steps_are_in_order)
X_RAY = Prescribe(reception_id=1, examination="X-ray")


@pytest.fixture
def scenario() -> Scenario:
    return Scenario(*CLINIC).when(REGISTER_ADA)


def test_a_visit_ends_with_an_opinion(scenario: Scenario) -> None:
    healthy = CompleteDiagnosis(reception_id=1, opinion="healthy")

    scenario.when(X_RAY, GiveResult(examination_id=1, finding="clear"), healthy).run()

    scenario.then(
        DiagnosisOpened(reception_id=1),
        ExaminationPrescribed(reception_id=1, prescription_id=1, examination="X-ray"),
        ExaminationCreated(reception_id=1, prescription_id=1, examination_id=1, examination="X-ray"),
        ExaminationPerformed(reception_id=1, prescription_id=1, examination_id=1, finding="clear"),
        DiagnosisCompleted(reception_id=1, opinion="healthy"),
    )
    scenario.check(*EVERY_PROMISE, *AGREEMENT)


def test_a_rejected_case_is_compensated_everywhere(scenario: Scenario) -> None:
    scenario.when(X_RAY, RejectDiagnosis(reception_id=1, reason="not for us")).run()

    scenario.then(
        DiagnosisRejected(reception_id=1, reason="not for us"),
        ExaminationWithdrawn(reception_id=1, prescription_id=1, examination_id=1, reason="not for us"),
    )
    assert [row.status for row in scenario.rows(Reception)] == ["cancelled"]
    assert [row.status for row in scenario.rows(Examination)] == ["withdrawn"]
    assert [row.status for row in scenario.rows(PatientManagement)] == ["rejected"]
    scenario.check(*EVERY_PROMISE, *AGREEMENT)


def test_a_visit_that_is_cancelled_at_the_reception_is_compensated_everywhere(scenario: Scenario) -> None:
    scenario.when(X_RAY, CancelReception(reception_id=1, reason="went home")).run()

    scenario.then(
        ReceptionCancelled(reception_id=1, reason="went home"),
        DiagnosisCancelled(reception_id=1, reason="went home"),
        ExaminationWithdrawn(reception_id=1, prescription_id=1, examination_id=1, reason="went home"),
    )
    scenario.check(*EVERY_PROMISE, *AGREEMENT)


def test_the_doctor_waits_for_an_examination(scenario: Scenario) -> None:
    scenario.when(X_RAY).run()

    answer = scenario.post("/diagnoses/1/completion", {"opinion": "healthy"})

    assert (answer.status, answer.body["detail"]) == (409, "an examination is still open")


def test_a_visit_that_is_open_after_a_day_is_overdue_until_it_ends(scenario: Scenario) -> None:
    scenario.advance(hours=25)
    assert [each.state for each in scenario.sagas] == ["overdue"]

    scenario.when(CompleteDiagnosis(reception_id=1, opinion="healthy")).run()

    scenario.check(*EVERY_PROMISE, *AGREEMENT)


def test_1000_random_schedules_have_one_winner_that_all_services_agree_on() -> None:
    for seed in range(1000):
        scenario = Scenario(*CLINIC, seed=seed).suffer(SOME_OF_EACH)
        a_visit(scenario)

        scenario.run().check(nothing_lost, nothing_twice, no_dead_letters, *AGREEMENT)
