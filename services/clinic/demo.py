"""Four visits through the gateway, and after every step what each service says of the visit."""

from collections.abc import Sequence
from dataclasses import dataclass

import httpx2

from services.stories import Ids, Step, status, tell_all

__all__ = ["STORIES", "main"]


@dataclass(frozen=True)
class Seen:
    """A visit's statuses, as each service sees it; empty where a service does not know it yet."""

    reception: str
    diagnosis: str
    examination: str
    patient_management: str


def registers(name: str, symptoms: str) -> Step[Seen]:
    return Step(
        f"the receptionist registers {name}",
        "/receptions",
        {"patient": {"name": name, "birth_date": "1985-12-10"}, "symptoms": symptoms},
        Seen("in_treatment", "waiting", "", "waiting"),
        makes="reception",
    )


def prescribes(examination: str) -> Step[Seen]:
    return Step(
        f"the doctor prescribes: {examination}",
        "/diagnoses/{reception}/prescription",
        {"examination": examination},
        Seen("in_treatment", "examination_prescribed", "created", "examination_prescribed"),
    )


def completes(opinion: str, examination: str) -> Step[Seen]:
    return Step(
        f"the doctor completes: {opinion}",
        "/diagnoses/{reception}/completion",
        {"opinion": opinion},
        Seen("completed", "completed", examination, "completed"),
    )


STORIES: dict[str, Sequence[Step[Seen]]] = {
    "A visit that ends well": (
        registers("Ada Byron", "cough"),
        prescribes("chest X-ray"),
        Step(
            "the examiner finds: clear",
            "/examinations/{examination}/result",
            {"finding": "clear"},
            Seen("in_treatment", "examined", "performed", "examined"),
        ),
        completes("a cold", "performed"),
    ),
    "An examination is refused, the doctor goes on without": (
        registers("Grace Hopper", "headache"),
        prescribes("MRI scan"),
        Step(
            "the examiner refuses: pacemaker",
            "/examinations/{examination}/cancellation",
            {"reason": "pacemaker"},
            Seen("in_treatment", "examination_cancelled", "cancelled", "examination_cancelled"),
        ),
        completes("migraine", "cancelled"),
    ),
    "The doctor rejects, the examination is withdrawn": (
        registers("Alan Turing", "toothache"),
        prescribes("blood test"),
        Step(
            "the doctor rejects: see a dentist",
            "/diagnoses/{reception}/rejection",
            {"reason": "see a dentist"},
            Seen("cancelled", "rejected", "withdrawn", "rejected"),
        ),
    ),
    "The visit is cancelled, everything done is compensated": (
        registers("Mary Shelley", "fever"),
        prescribes("blood test"),
        Step(
            "the receptionist cancels: went home",
            "/receptions/{reception}/cancellation",
            {"reason": "went home"},
            Seen("cancelled", "cancelled", "withdrawn", "cancelled"),
        ),
    ),
}


def main(base_url: str) -> int:
    """Tell every story to the clinic at `base_url`; 1 when one is refused or a status does not come."""
    return tell_all(base_url, STORIES, look)


def look(client: httpx2.Client, ids: Ids) -> Seen:
    examinations = client.get("/examinations", params={"reception_id": ids["reception"]}).json()["items"]
    if examinations:
        ids["examination"] = examinations[0]["id"]
    return Seen(
        reception=status(client, f"/receptions/{ids['reception']}"),
        diagnosis=status(client, f"/diagnoses/{ids['reception']}"),
        examination=", ".join(each["status"] for each in examinations),
        patient_management=status(client, f"/patientManagements/{ids['reception']}"),
    )
