"""The races of a visit: four services with their outboxes and one log, interleaved in every way."""

from datetime import UTC, date, datetime
from itertools import count, islice, pairwise

from hypothesis import strategies as st
from hypothesis.stateful import initialize, rule

from clinic_lib.storage import NewIds
from services.clinic.contracts import (
    ClinicEvent,
    DiagnosisCancelled,
    DiagnosisCompleted,
    DiagnosisOpened,
    DiagnosisRejected,
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
from services.clinic.diagnosis import domain as diagnosis
from services.clinic.examination import domain as examination
from services.clinic.patient_management import domain as patient_management
from services.clinic.reception import domain as reception
from tests.services.choreography import Choreography, interleave

NOW = datetime(2026, 1, 2, tzinfo=UTC)
ADA = Patient(name="Ada", birth_date=date(1990, 12, 10))
NAMES = ["reception", "diagnosis", "examination", "patient_management"]


class Visit(Choreography):
    """One visit; commands, publications and deliveries come in any order."""

    def __init__(self) -> None:
        super().__init__(NAMES)
        self.ids = count(1)
        self.prescriptions: dict[int, diagnosis.Prescription] = {}
        self.examinations: dict[int, examination.Examination] = {}
        self.created: list[ExaminationCreated] = []
        self.peers["reception"].handlers = {
            DiagnosisOpened: lambda event: reception.treat(event, self.reception),
            DiagnosisCompleted: lambda event: reception.complete(event, self.reception),
            DiagnosisRejected: lambda event: reception.cancel_rejected(
                event, self.registered, self.reception
            ),
        }
        self.peers["diagnosis"].handlers = {
            ReceptionRegistered: self.open_diagnosis,
            ReceptionCancelled: lambda event: diagnosis.cancel(event, self.opened, self.diagnosis),
            ExaminationCreated: lambda event: diagnosis.note_created(event, self.prescription(event)),
            ExaminationPerformed: lambda event: diagnosis.note_performed(
                event, self.prescription(event), list(self.prescriptions.values()), self.diagnosis
            ),
            ExaminationCancelled: lambda event: diagnosis.note_cancelled(
                event, self.prescription(event), list(self.prescriptions.values()), self.diagnosis
            ),
            ExaminationWithdrawn: lambda event: diagnosis.note_withdrawn(event, self.prescription(event)),
        }
        self.peers["examination"].handlers = {
            ExaminationPrescribed: self.create_examination,
            DiagnosisRejected: self.withdraw_examinations,
            DiagnosisCancelled: self.withdraw_examinations,
        }
        self.peers["patient_management"].handlers = dict.fromkeys(
            [*patient_management.STATUS_AFTER, DiagnosisUpdated], self.follow
        )

    # what the library does for the services: rows by key, and a compensation once for each run of its step

    def open_diagnosis(self, event: ReceptionRegistered) -> DiagnosisOpened:
        self.diagnosis, self.opened = diagnosis.open_diagnosis(event, NOW)
        return self.opened

    def prescription(
        self, event: ExaminationCreated | ExaminationPerformed | ExaminationCancelled | ExaminationWithdrawn
    ) -> diagnosis.Prescription:
        return self.prescriptions[event.prescription_id]

    def create_examination(self, event: ExaminationPrescribed) -> ExaminationCreated:
        row, created = examination.create(event, NewIds[examination.Examination]([next(self.ids)]), NOW)
        self.examinations[row.examination_id] = row
        self.created.append(created)
        return created

    def withdraw_examinations(self, event: DiagnosisRejected | DiagnosisCancelled) -> None:
        for done in reversed(self.created):
            row = self.examinations[done.examination_id]
            self.peers["examination"].publish(examination.withdraw(event, done, row))

    def follow(self, event: patient_management.Followed) -> None:
        patient_management.follow(event, self.management, NOW)

    def nth_examination(self, number: int) -> examination.Examination | None:
        return next(islice(self.examinations.values(), number, None), None)

    # what people do

    @initialize()
    def register(self) -> None:
        command = reception.RegisterReception(
            patient=reception.NewPatient(**ADA.model_dump()), symptoms="cough"
        )
        self.reception, self.registered = reception.register(command, NewIds[reception.Reception]([7]), NOW)
        self.management = patient_management.register(self.registered, NOW)
        self.logs["7"].append(self.registered)
        self.peers["diagnosis"].handle(self.registered)
        for peer in self.peers.values():
            peer.positions["7"] = 1

    @rule()
    def cancel_the_visit(self) -> None:
        command = reception.CancelReception(reception_id=7, reason="went home")
        self.command("reception", lambda: reception.cancel(command, self.reception))

    @rule()
    def prescribe(self) -> None:
        def decide() -> ClinicEvent:
            command = diagnosis.Prescribe(reception_id=7, examination="X-ray")
            ids = NewIds[diagnosis.Prescription]([next(self.ids)])
            row, event = diagnosis.prescribe(command, self.diagnosis, ids, NOW)
            self.prescriptions[row.prescription_id] = row
            return event

        self.command("diagnosis", decide)

    @rule()
    def complete(self) -> None:
        command = diagnosis.CompleteDiagnosis(reception_id=7, opinion="a cold")
        self.command("diagnosis", lambda: diagnosis.complete(command, self.diagnosis))

    @rule()
    def reject(self) -> None:
        command = diagnosis.RejectDiagnosis(reception_id=7, reason="not ours")
        self.command("diagnosis", lambda: diagnosis.reject(command, self.diagnosis))

    @rule(number=st.integers(0, 3))
    def give_a_result(self, number: int) -> None:
        if row := self.nth_examination(number):
            command = examination.GiveResult(examination_id=row.examination_id, finding="clear")
            self.command("examination", lambda: examination.perform(command, row))

    @rule(number=st.integers(0, 3))
    def refuse_an_examination(self, number: int) -> None:
        if row := self.nth_examination(number):
            command = examination.CancelExamination(examination_id=row.examination_id, reason="no film")
            self.command("examination", lambda: examination.cancel(command, row))

    def check(self) -> None:
        self.check_that_all_agree()
        self.check_the_order_of_steps()

    def check_that_all_agree(self) -> None:
        seen = (self.reception.status, self.diagnosis.status, self.management.status)
        match self.diagnosis.status:
            case "completed":
                assert seen == ("completed", "completed", "completed")
            case "rejected":
                assert seen == ("cancelled", "rejected", "rejected")
            case "cancelled":
                assert seen == ("cancelled", "cancelled", "cancelled")
            case status:
                assert seen == ("in_treatment", status, status)
        states = {row.status for row in self.examinations.values()}
        assert ("created" in states) == (self.diagnosis.status == "examination_prescribed")
        assert ("withdrawn" in states) <= (self.diagnosis.status in ("rejected", "cancelled"))
        assert {(row.examination_id, row.status, row.finding) for row in self.prescriptions.values()} == {
            (row.examination_id, row.status, row.finding) for row in self.examinations.values()
        }

    def check_the_order_of_steps(self) -> None:
        steps = [step["status"] for step in self.management.steps]
        for status, following in pairwise(steps):
            assert status not in ("completed", "rejected")
            assert status != "cancelled" or following in ("completed", "rejected")
            assert status != following


def test_every_race_has_one_winner_that_all_services_agree_on() -> None:
    interleave(Visit)
