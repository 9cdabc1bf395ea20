"""What dies comes back and catches up: nothing is lost, nothing happens twice."""

import os
import time
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from functools import partial
from itertools import groupby
from threading import Event

import httpx2
import pytest

from tests.scenarios.clinic import Clinic, Visit, eventually
from tests.scenarios.kafka_log import read_log, set_offsets_to_zero

SERVICES = ["reception", "diagnosis", "examination", "patient_management"]
CATCHES_UP_WITHIN_SECONDS = 20.0
WORKERS = 4
SETTLED = {"/diagnoses": "waiting", "/patientManagements": "waiting", "/receptions": "in_treatment"}
BODY = {"patient": {"name": "Ada", "birth_date": "1985-12-10"}, "symptoms": "cough"}

pytestmark = pytest.mark.timeout(180)

own_servers = pytest.mark.skipif(
    "KAFKA_BOOTSTRAP_SERVERS" in os.environ or "DATABASE_URL" in os.environ,
    reason="Kafka and PostgreSQL are not ours to kill",
)


@pytest.fixture(autouse=True)
def _what_is_down_is_started(clinic: Clinic) -> Iterator[None]:
    """A test that fails half-way shall not take the others with it."""
    yield
    for name in ["postgresql", "kafka", *SERVICES]:
        if not clinic.pids(name):
            clinic.run("start", name)


def collection(client: httpx2.Client, path: str) -> Iterator[dict[str, object]]:
    """Every resource of a collection, page by page."""
    url: str | None = f"{path}?limit=500"
    while url:
        page = client.get(url).raise_for_status().json()
        yield from page["items"]
        url = page["next"]


@contextmanager
def under_load(work: Callable[[], None]) -> Iterator[None]:
    """Repeats `work` in some threads while the block runs; its errors are the block's."""
    enough = Event()

    def repeat() -> None:
        while not enough.is_set():
            work()

    with ThreadPoolExecutor(WORKERS) as pool:
        workers = [pool.submit(repeat) for _ in range(WORKERS)]
        try:
            yield
        finally:
            enough.set()
        for worker in workers:
            worker.result()


def all_have(client: httpx2.Client, path: str, ids: set[int], status: str) -> bool | None:
    seen = {item["id"] for item in collection(client, path) if item["status"] == status}
    return ids <= seen or None


def test_receptions_are_taken_while_diagnosis_is_down(clinic: Clinic, gateway: httpx2.Client) -> None:
    clinic.kill("diagnosis")

    ids = {Visit(gateway).id for _ in range(50)}
    started = time.monotonic()
    refused = gateway.get("/diagnoses")
    assert time.monotonic() - started < 0.5
    assert refused.status_code == 503
    assert int(refused.headers["retry-after"]) > 0
    eventually(lambda: all_have(gateway, "/patientManagements", ids, "registered"))

    clinic.run("start", "diagnosis")
    eventually(lambda: all_have(gateway, "/diagnoses", ids, "waiting"), within=CATCHES_UP_WITHIN_SECONDS)
    eventually(lambda: all_have(gateway, "/receptions", ids, "in_treatment"))
    eventually(lambda: all_have(gateway, "/patientManagements", ids, "waiting"))
    opened = Counter(
        int(record.key) for record in read_log(clinic) if ("type", b"DiagnosisOpened") in record.headers
    )
    assert {opened[number] for number in ids} == {1}


def test_doctors_prescribe_while_examination_is_down(clinic: Clinic, gateway: httpx2.Client) -> None:
    visits = [Visit(gateway) for _ in range(50)]
    for visit in visits:
        visit.wait_for_the_doctor()
    clinic.kill("examination")

    for visit in visits:
        visit.prescribe()
    assert gateway.get("/examinations").status_code == 503

    clinic.run("start", "examination")
    for visit in visits:
        visit.created_examination(within=CATCHES_UP_WITHIN_SECONDS)
    assert [len(visit.examinations("created")) for visit in visits] == [1] * 50


@own_servers
@pytest.mark.parametrize("server", ["kafka", "postgresql"])
def test_visits_go_on_when_a_server_dies_and_comes_back(
    clinic: Clinic, gateway: httpx2.Client, server: str
) -> None:
    accepted: set[int] = set()
    refused: set[str] = set()
    processes = [clinic.pids(service) for service in SERVICES]

    def register() -> None:
        response = gateway.post("/receptions", json=BODY)
        if response.status_code == httpx2.codes.CREATED:
            accepted.add(response.json()["id"])
        elif response.status_code != httpx2.codes.SERVICE_UNAVAILABLE:
            refused.add(response.text)
        time.sleep(0.02)

    with under_load(register):
        time.sleep(0.5)
        clinic.kill(server)
        time.sleep(1)
        clinic.run("start", server)
        time.sleep(1)

    assert not refused
    assert len(accepted) > 20
    for path, status in SETTLED.items():
        look = partial(all_have, gateway, path, accepted, status)
        eventually(look, within=CATCHES_UP_WITHIN_SECONDS)
    assert [clinic.pids(service) for service in SERVICES] == processes


def test_offsets_set_back_to_zero_change_nothing(clinic: Clinic, gateway: httpx2.Client) -> None:
    Visit(gateway).ends_as("in_treatment", "waiting", "waiting")
    before, log_before = everything(gateway), len(read_log(clinic))

    for service in SERVICES:
        clinic.run("stop", service)
    set_offsets_to_zero(clinic, SERVICES)
    for service in SERVICES:
        clinic.run("start", service)
    Visit(gateway).ends_as("in_treatment", "waiting", "waiting", within=CATCHES_UP_WITHIN_SECONDS)

    known = {path: {item["id"] for item in items} for path, items in before.items()}
    after = {
        path: [item for item in items if item["id"] in known[path]]
        for path, items in everything(gateway).items()
    }
    assert after == before
    assert len(read_log(clinic)) == log_before + 2


def everything(client: httpx2.Client) -> dict[str, list[dict[str, object]]]:
    paths = ["/receptions", "/diagnoses", "/examinations", "/patientManagements"]
    return {path: list(collection(client, path)) for path in paths}


def test_a_service_grows_and_shrinks_under_load(clinic: Clinic, gateway: httpx2.Client) -> None:
    visits: list[Visit] = []

    def whole_visit() -> None:
        visit = Visit(gateway)
        visits.append(visit)
        visit.wait_for_the_doctor(within=CATCHES_UP_WITHIN_SECONDS)
        visit.prescribe()
        visit.give_result(visit.created_examination(within=CATCHES_UP_WITHIN_SECONDS))
        visit.ends_as("in_treatment", "examined", "examined", within=CATCHES_UP_WITHIN_SECONDS)
        visit.complete()

    with under_load(whole_visit):
        time.sleep(0.5)
        clinic.run("scale", "diagnosis", "3")
        assert len(clinic.pids("diagnosis")) == 3
        time.sleep(1)
        clinic.run("scale", "diagnosis", "1")
        time.sleep(0.5)

    for visit in visits:
        visit.ends_as("completed", "completed", "completed", within=CATCHES_UP_WITHIN_SECONDS)
        management = visit.show("patientManagements")
        assert management is not None
        steps = [step["status"] for step in management["steps"]]
        assert steps == ["registered", "waiting", "examination_prescribed", "examined", "completed"]
    assert_each_visit_is_in_order(clinic, {visit.id for visit in visits})


def assert_each_visit_is_in_order(clinic: Clinic, ids: set[int]) -> None:
    """A record may be sent twice, with the same id; the first ones are in order, and no event has two ids."""
    first = {dict(record.headers)["id"]: record for record in reversed(read_log(clinic))}
    records = [record for record in first.values() if int(record.key) in ids]
    records.sort(key=lambda record: (record.key, record.offset))
    for _, visit in groupby(records, key=lambda record: record.key):
        assert [dict(record.headers)["type"] for record in visit] == [
            b"ReceptionRegistered",
            b"DiagnosisOpened",
            b"ExaminationPrescribed",
            b"ExaminationCreated",
            b"ExaminationPerformed",
            b"DiagnosisUpdated",
            b"DiagnosisCompleted",
        ]
