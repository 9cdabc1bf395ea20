"""What the services of both systems write while people, bad requests and broken records pass through them."""

import json
from collections import Counter
from uuid import uuid4

import httpx2
import orjson

from clinic_lib.messages import new_message_id
from tests.scenarios.clinic import Clinic, Order, Visit, create_seats, eventually
from tests.scenarios.databases import ask
from tests.scenarios.kafka_log import append, read_log

MARK = uuid4().hex[:8]
NAME, SSN, DISEASE = f"Rosalind{MARK}", f"078-05-{MARK}", f"plague{MARK}"
Headers = list[tuple[str, bytes | None]]
IDS = {"trace_id", "span_id", "correlation_id", "message_id", "saga", "saga_key"}
OWN = ("clinic_lib", "services")


def test_nothing_personal_is_in_any_log(
    clinic: Clinic, gateway: httpx2.Client, box_office: httpx2.Client
) -> None:
    tell_the_stories(gateway, box_office)
    send_bad_requests(gateway)
    break_a_view(clinic, gateway)
    append_broken_records(clinic)

    logs = {path.stem: path.read_text() for path in (clinic.folder / ".clinic" / "logs").glob("*.log")}
    services = {name: text for name, text in logs.items() if name.partition("-")[0] in clinic.ports}
    assert {name.partition("-")[0] for name in services} == set(clinic.ports)
    for name, text in services.items():
        assert MARK not in text, f"{name}: {next(line for line in text.splitlines() if MARK in line)}"
    records = [json.loads(line) for text in services.values() for line in text.splitlines()]
    own = [each for each in records if each.get("logger", "").startswith(OWN)]
    assert all(word.count(".") == 1 and " " not in word for word in Counter(each["event"] for each in own))
    failed = [each for each in own if each["event"] == "failure.message"]
    assert failed
    assert all(each.keys() >= IDS for each in failed)
    assert "failure.malformed" in {each["event"] for each in own}


def tell_the_stories(gateway: httpx2.Client, box_office: httpx2.Client) -> None:
    visit = Visit(gateway, NAME)
    visit.wait_for_the_doctor()
    visit.prescribe(DISEASE)
    visit.give_result(visit.created_examination())
    visit.ends_as("in_treatment", "examined", "examined")
    visit.complete()
    cancelled = Visit(gateway, NAME)
    cancelled.wait_for_the_doctor()
    cancelled.cancel()
    Order(box_office, create_seats(box_office, 2, NAME), 3, NAME).ends_as("cancelled")


def send_bad_requests(gateway: httpx2.Client) -> None:
    """4xx of each kind, and names in paths and queries."""
    patient = {"name": NAME, "birth_date": SSN}
    answers = [
        gateway.post("/receptions", json={"patient": patient, "symptoms": DISEASE}),
        gateway.post("/receptions", content=f"{{{NAME}", headers={"content-type": "application/json"}),
        gateway.post("/receptions", content=NAME, headers={"content-type": "text/plain"}),
        gateway.get(f"/receptions/{NAME}"),
        gateway.get("/receptions", params={"name": NAME, "limit": SSN}),
        gateway.get(f"/{NAME}"),
        gateway.post("/receptions/1/cancellation", json={"reason": NAME, SSN: 1}),
        gateway.get("/receptions", headers={"x-request-id": "mine", "baggage": f"name={NAME}"}),
    ]
    assert {400, 404, 415, 422} <= {each.status_code for each in answers}


def break_a_view(clinic: Clinic, gateway: httpx2.Client) -> None:
    """A function that fails by a name, in the database, whose error holds the whole row; and a query that can't be
    answered.
    """
    table = "alter table patient_management"
    ask(clinic, "patient_management", f"{table} add constraint nobody check (name <> '{NAME}') not valid")
    visit = Visit(gateway, NAME)
    count = "select count(*) from clinic_lib.dead_letter where key = $1"
    eventually(
        lambda: ask(clinic, "patient_management", count, f"reception_id:{visit.id}") != [(0,)] or None,
        within=5,
    )
    ask(clinic, "patient_management", f"{table} drop constraint nobody")
    ask(clinic, "patient_management", f"{table} rename to elsewhere")
    try:
        with clinic.client() as client:
            assert client.get(f"/patientManagements/{visit.id}").status_code in (404, 500)
            direct = httpx2.get(clinic.url("patient_management") + f"/patientManagements?name={NAME}")
            assert direct.status_code == 500
    finally:
        ask(clinic, "patient_management", "alter table elsewhere rename to patient_management")
    clinic.run("dead-letters", "redrive", "patient_management", "--key", f"reception_id:{visit.id}")


def append_broken_records(clinic: Clinic) -> None:
    """Of a known type: with a name where the fields should be, and one that no field takes."""
    before = malformed(clinic)
    real = next(
        record for record in read_log(clinic) if dict(record.headers).get("type") == b"ReceptionRegistered"
    )
    wire = orjson.loads(real.value)
    wire["data"]["patient"] = {"name": NAME * 100, "birth_date": SSN}
    headers: Headers = [("type", b"ReceptionRegistered"), ("id", new_message_id().bytes)]
    append(
        clinic,
        [
            (real.key, NAME.encode(), headers),
            (real.key, orjson.dumps(wire), headers),
            (NAME.encode(), real.value, headers),
            (NAME.encode(), real.value, [(NAME, SSN.encode())]),
            (real.key, real.value, [("type", b"ReceptionRegistered"), ("id", SSN.encode())]),
        ],
    )
    eventually(lambda: malformed(clinic) >= before + 5 or None, within=10)


def malformed(clinic: Clinic) -> int:
    count = "select count(*) from clinic_lib.dead_letter where state = 'malformed'"
    return int(ask(clinic, "diagnosis", count)[0][0])
