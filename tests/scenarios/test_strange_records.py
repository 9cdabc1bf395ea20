"""Records that no service wrote: what can't be read is put aside, and the next good one is handled."""

import asyncio
from collections.abc import Callable
from uuid import uuid4

import asyncpg
import httpx2
import orjson
import pytest

from clinic_lib.messages import new_message_id
from tests.scenarios.clinic import Clinic, Visit, eventually
from tests.scenarios.kafka_log import append, read_log

Headers = list[tuple[str, bytes | None]]
Record = tuple[bytes | None, bytes | None, Headers]
GoodRecord = tuple[bytes, bytes, Headers]
Make = Callable[..., GoodRecord]
Change = Callable[[GoodRecord], Record]

TYPE = ("type", b"ReceptionRegistered")
COUNT = "select count(*) from clinic_lib.dead_letter where state = 'malformed'"


@pytest.fixture
def good(clinic: Clinic, gateway: httpx2.Client) -> Make:
    """Makes records like a real one, of visits that the reception does not know."""
    visit = Visit(gateway)
    visit.wait_for_the_doctor()
    real = next(record for record in read_log(clinic) if record.key == str(visit.id).encode())
    wire = orjson.loads(real.value)

    def make(number: int, **data: object) -> GoodRecord:
        value = {**wire, "subject": str(number), "data": {**wire["data"], "reception_id": number, **data}}
        return str(number).encode(), orjson.dumps(value), [TYPE, ("id", new_message_id().bytes)]

    return make


def new_number() -> int:
    return uuid4().int >> 66


def letters(clinic: Clinic, service: str) -> int:
    return asyncio.run(_count(database_url(clinic, service)))


async def _count(url: str) -> int:
    connection = await asyncpg.connect(url)
    try:
        return int(await connection.fetchval(COUNT))
    finally:
        await connection.close()


def database_url(clinic: Clinic, service: str) -> str:
    server = clinic.environment.get("DATABASE_URL")
    if server:
        return f"{server.rpartition('/')[0]}/{service}"
    return f"postgresql://postgres@127.0.0.1:{clinic.project.postgresql_port}/{service}"


BROKEN: dict[str, Change] = {
    "not JSON": lambda r: (r[0], b"{not json", r[2]),
    "not UTF-8": lambda r: (r[0], b"\xff\xfe\x00", r[2]),
    "no value": lambda r: (r[0], None, r[2]),
    "an empty value": lambda r: (r[0], b"", r[2]),
    "no key": lambda r: (None, r[1], r[2]),
    "another key": lambda r: (b"7", r[1], r[2]),
    "no headers": lambda r: (r[0], r[1], []),
    "no type": lambda r: (r[0], r[1], [r[2][1]]),
    "a null type": lambda r: (r[0], r[1], [("type", None), r[2][1]]),
    "no id": lambda r: (r[0], r[1], [TYPE]),
    "a null id": lambda r: (r[0], r[1], [TYPE, ("id", None)]),
    "a malformed id": lambda r: (r[0], r[1], [TYPE, ("id", b"not 16 bytes")]),
    "no data": lambda r: (r[0], b"{}", r[2]),
    "a value that breaks the model": lambda r: (
        r[0],
        r[1].replace(b"birth_date", b"birthday"),
        r[2],
    ),
    "a NUL in a text": lambda r: (r[0], r[1].replace(b'"cough"', b'"a\\u0000b"'), r[2]),
}

SKIPPED: dict[str, Change] = {
    "an unknown type": lambda r: (r[0], r[1], [("type", b"PatientTeleported"), r[2][1]]),
    "a type that is not UTF-8": lambda r: (r[0], r[1], [("type", b"\xff\xfe"), r[2][1]]),
}


@pytest.mark.parametrize("break_it", BROKEN.values(), ids=BROKEN.keys())
def test_a_malformed_record_is_put_aside_and_the_next_is_handled(
    clinic: Clinic,
    gateway: httpx2.Client,
    good: Make,
    break_it: Change,
) -> None:
    number, before = new_number(), letters(clinic, "diagnosis")

    append(clinic, [break_it(good(new_number())), good(number)])

    eventually(lambda: diagnosis_of(gateway, number), within=3)
    eventually(lambda: letters(clinic, "diagnosis") == before + 1 or None, within=3)
    Visit(gateway).ends_as("in_treatment", "waiting", "waiting")


@pytest.mark.parametrize("change", SKIPPED.values(), ids=SKIPPED.keys())
def test_a_type_that_nobody_handles_is_skipped(
    clinic: Clinic,
    gateway: httpx2.Client,
    good: Make,
    change: Change,
) -> None:
    number, before = new_number(), letters(clinic, "diagnosis")

    append(clinic, [change(good(new_number())), good(number)])

    eventually(lambda: diagnosis_of(gateway, number), within=3)
    assert letters(clinic, "diagnosis") == before


def test_a_record_that_comes_twice_is_handled_once(
    clinic: Clinic, gateway: httpx2.Client, good: Make
) -> None:
    number, last = new_number(), new_number()
    record = good(number)

    append(clinic, [record, record, good(last)])

    eventually(lambda: diagnosis_of(gateway, last), within=3)
    eventually(lambda: opened(clinic, number) or None)
    assert opened(clinic, number) == 1


def test_a_large_record_is_handled(clinic: Clinic, gateway: httpx2.Client, good: Make) -> None:
    number = new_number()

    append(clinic, [good(number, added_by_a_newer_version="x" * 900_000)])

    eventually(lambda: diagnosis_of(gateway, number), within=3)


def diagnosis_of(client: httpx2.Client, number: int) -> dict[str, object] | None:
    response = client.get(f"/diagnoses/{number}")
    return response.json() if response.status_code == httpx2.codes.OK else None


def opened(clinic: Clinic, number: int) -> int:
    key, kind = str(number).encode(), ("type", b"DiagnosisOpened")
    return sum(record.key == key and kind in record.headers for record in read_log(clinic))
