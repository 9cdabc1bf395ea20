"""Something of everything happens in both systems, so that every panel has something to show."""

import json
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress

import httpx2
import orjson

from clinic_lib.messages import new_message_id
from services.clinic.demo import main as clinic_demo
from services.reservation.demo import main as reservation_demo
from tests.scenarios.clinic import Clinic, Order, Visit, create_seats
from tests.scenarios.kafka_log import append, read_log

__all__ = ["ask", "everything", "load", "poison", "register"]

TOO_LARGE = 2**70
"""No column takes it."""


def everything(clinic: Clinic) -> None:
    """The stories of both systems, a refused order, an overdue one, poisoned records, errors."""
    assert clinic_demo(clinic.url("gateway")) == 0
    assert reservation_demo(clinic.url("reservation_gateway")) == 0
    poison(clinic)
    with clinic.client("reservation_gateway") as box_office:
        block = create_seats(box_office, 5)
        Order(box_office, block, 3).ends_as("confirmed", within=5)
        Order(box_office, block, 3).ends_as("cancelled", within=5)
    load(clinic, seconds=3)


def poison(clinic: Clinic) -> None:
    """One record that nobody can read, and one that no table takes."""
    with clinic.client() as gateway:
        visit = Visit(gateway)
        visit.wait_for_the_doctor(within=5)
    key = str(visit.id).encode()
    real = next(each for each in read_log(clinic) if each.key == key and each.value)
    wire = orjson.loads(real.value or b"")
    number = str(TOO_LARGE)
    wire["subject"], wire["data"]["reception_id"] = number, TOO_LARGE
    large = json.dumps(wire).encode()
    append(clinic, [(key, b"{not json", _headers()), (number.encode(), large, _headers())])


def _headers() -> list[tuple[str, bytes | None]]:
    return [("type", b"ReceptionRegistered"), ("id", new_message_id().bytes)]


def load(clinic: Clinic, *, seconds: float, workers: int = 2) -> None:
    """Visits and questions through the gateway, among them some that are refused or not found."""

    def one(client: httpx2.Client) -> None:
        visit = Visit(client)
        client.get("/receptions?limit=5")
        client.get("/diagnoses/999999999")
        visit.cancel()

    _repeat(clinic, one, seconds, workers)


def ask(clinic: Clinic, path: str, *, seconds: float, workers: int = 2) -> None:
    """GETs, whatever they answer."""
    _repeat(clinic, lambda client: client.get(path), seconds, workers)


def register(clinic: Clinic, *, seconds: float, workers: int) -> None:
    """Patients, whatever they are answered."""
    patient = {"patient": {"name": "Ada Byron", "birth_date": "1985-12-10"}, "symptoms": "cough"}
    _repeat(clinic, lambda client: client.post("/receptions", json=patient), seconds, workers)


def _repeat(clinic: Clinic, one: Callable[[httpx2.Client], object], seconds: float, workers: int) -> None:
    def work() -> None:
        until = time.monotonic() + seconds
        with clinic.client() as client:
            while time.monotonic() < until:
                with suppress(httpx2.TransportError):
                    one(client)
                time.sleep(0.02)

    with ThreadPoolExecutor(workers) as pool:
        for worker in [pool.submit(work) for _ in range(workers)]:
            worker.result()
