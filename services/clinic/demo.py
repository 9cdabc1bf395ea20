"""Four visits through the gateway, and after every step what each service says of the visit."""

import time
from collections.abc import Sequence
from dataclasses import dataclass, fields

import httpx2
from rich.console import Console
from rich.live import Live
from rich.table import Table
from rich.text import Text

__all__ = ["main"]

SETTLES_WITHIN_SECONDS = 5.0
LOOKS_EVERY_SECONDS = 0.02
WIDTH_IN_A_PIPE = 120

STYLES = {
    "completed": "green",
    "performed": "green",
    "examined": "green",
    "rejected": "red",
    "cancelled": "red",
    "withdrawn": "red",
    "examination_cancelled": "red",
}


@dataclass(frozen=True)
class Seen:
    """A visit's statuses, as each service sees it; empty where a service does not know it yet."""

    reception: str
    diagnosis: str
    examination: str
    patient_management: str


@dataclass(frozen=True)
class Step:
    """What somebody does, and what all services shall then see."""

    what: str
    path: str
    body: dict[str, object]
    expected: Seen


@dataclass
class Visit:
    """The ids that the services handed out."""

    reception: int = 0
    examination: int = 0


class UnsettledError(Exception):
    """The services do not see in time what they should."""


def registers(name: str, symptoms: str) -> Step:
    return Step(
        f"the receptionist registers {name}",
        "/receptions",
        {"patient": {"name": name, "birth_date": "1985-12-10"}, "symptoms": symptoms},
        Seen("in_treatment", "waiting", "", "waiting"),
    )


def prescribes(examination: str) -> Step:
    return Step(
        f"the doctor prescribes: {examination}",
        "/diagnoses/{reception}/prescription",
        {"examination": examination},
        Seen("in_treatment", "examination_prescribed", "created", "examination_prescribed"),
    )


def completes(opinion: str, examination: str) -> Step:
    return Step(
        f"the doctor completes: {opinion}",
        "/diagnoses/{reception}/completion",
        {"opinion": opinion},
        Seen("completed", "completed", examination, "completed"),
    )


STORIES: dict[str, Sequence[Step]] = {
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
    console = Console()
    if not console.is_terminal:
        console.width = WIDTH_IN_A_PIPE
    try:
        with httpx2.Client(base_url=base_url, timeout=SETTLES_WITHIN_SECONDS) as client:
            for title, steps in STORIES.items():
                tell(title, steps, client, console)
                console.print()
    except (httpx2.HTTPError, UnsettledError) as exc:
        console.print(f"[red]{base_url}: {exc}")
        return 1
    return 0


def tell(title: str, steps: Sequence[Step], client: httpx2.Client, console: Console) -> None:
    visit, table = Visit(), empty_table(title)
    with Live(table, console=console):
        for step in steps:
            take(step, visit, client)
            started = time.perf_counter()
            seen = settle(step.expected, visit, client)
            milliseconds = (time.perf_counter() - started) * 1000
            table.add_row(step.what, *statuses(seen, step.expected), f"{milliseconds:.0f} ms")
            if seen != step.expected:
                raise UnsettledError(f"after {SETTLES_WITHIN_SECONDS:.0f} s, {step.expected} was not seen")


def take(step: Step, visit: Visit, client: httpx2.Client) -> None:
    path = step.path.format(reception=visit.reception, examination=visit.examination)
    answer = client.post(path, json=step.body).raise_for_status().json()
    visit.reception = visit.reception or answer["id"]


def settle(expected: Seen, visit: Visit, client: httpx2.Client) -> Seen:
    """What the services see once that is what they should, or when time is up."""
    deadline = time.perf_counter() + SETTLES_WITHIN_SECONDS
    while (seen := look(visit, client)) != expected and time.perf_counter() < deadline:
        time.sleep(LOOKS_EVERY_SECONDS)
    return seen


def look(visit: Visit, client: httpx2.Client) -> Seen:
    examinations = client.get("/examinations", params={"reception_id": visit.reception}).json()["items"]
    visit.examination = examinations[0]["id"] if examinations else 0
    return Seen(
        reception=status(f"/receptions/{visit.reception}", client),
        diagnosis=status(f"/diagnoses/{visit.reception}", client),
        examination=", ".join(each["status"] for each in examinations),
        patient_management=status(f"/patientManagements/{visit.reception}", client),
    )


def status(path: str, client: httpx2.Client) -> str:
    answer = client.get(path)
    return (
        ""
        if answer.status_code == httpx2.codes.NOT_FOUND
        else str(answer.raise_for_status().json()["status"])
    )


def empty_table(title: str) -> Table:
    table = Table(title=title, title_justify="left", title_style="bold", expand=True)
    table.add_column("step", ratio=1)
    for field in fields(Seen):
        table.add_column(field.name.replace("_", " "), no_wrap=True, min_width=12)
    table.add_column("seen after", justify="right", no_wrap=True)
    return table


def statuses(seen: Seen, expected: Seen) -> list[Text]:
    """One cell for each service; what should be otherwise stands out."""
    return [
        Text(value or "-", STYLES.get(value, "") if value == wanted else "bold white on red")
        for value, wanted in zip(vars(seen).values(), vars(expected).values(), strict=True)
    ]
