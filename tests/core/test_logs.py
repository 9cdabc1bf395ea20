"""Lines of the log: what they belong to, how they look, and that nothing personal is in them."""

import asyncio
import json
import logging
from collections.abc import Iterator

import asyncpg
import pytest
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from clinic_lib.errors import ConfigurationError, TransientError
from clinic_lib.logs import configure_logging, describe, logger, subject
from clinic_lib.service import Service
from clinic_lib.settings import AdminSettings, load_settings
from clinic_lib.storage import Database
from tests.core import shop
from tests.core.shop import OrderConfirmed, OrderPlaced, PlaceOrder, SeatsReserved
from tests.core.test_tracing import UNSAMPLED, record
from tests.core.worker import Log, Worker

NAME, SSN = "Recognisable Rosalind", "078-05-1120"

clumsy_service = Service(f"shop_clumsy_{shop.RUN}", system="shop")
log = logging.getLogger("an.author")


@clumsy_service.step
def stumble(event: OrderPlaced) -> None:
    log.warning("author.thinks")
    raise ValueError(f"{event.note} is no good")


@clumsy_service.step
async def collide(event: SeatsReserved, tx: AsyncConnection) -> None:
    await tx.execute(text("insert into seat values (:id, 1, :name)"), {"id": event.seat_id, "name": NAME})


@clumsy_service.step
def wrap(event: OrderConfirmed) -> None:
    try:
        int(SSN)
    except ValueError as exc:
        raise RuntimeError(f"not a number: {SSN}") from exc


@clumsy_service.command("POST", "/orders")
def refuse(command: PlaceOrder) -> None:
    raise KeyError(command.note)


@pytest.fixture
def as_configured() -> Iterator[None]:
    """The root logger's handlers are put back afterwards."""
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    yield
    root.handlers[:], root.level = handlers, level


def lines(said: str) -> list[dict[str, object]]:
    return [json.loads(line) for line in said.splitlines()]


@pytest.mark.usefixtures("as_configured")
async def test_what_fails_is_told_with_its_ids_and_its_place_and_nothing_personal(
    database: Database, capfd: pytest.CaptureFixture[str]
) -> None:
    configure_logging("INFO")
    worker, kafka = Worker(clumsy_service, database), Log()
    placed = OrderPlaced(order_id=7, seat_id=1, quantity=1, note=f"{NAME} {SSN}")
    reserved = [SeatsReserved(order_id=n, seat_id=n, quantity=1) for n in (8, 9)]

    await worker.poll(record(kafka, placed, UNSAMPLED))
    await worker.poll(*(record(kafka, each, UNSAMPLED) for each in reserved))
    await worker.poll(record(kafka, OrderConfirmed(order_id=10), UNSAMPLED))
    await worker.command(PlaceOrder(seat_id=1, quantity=1, note=f"{NAME} {SSN}"))
    await worker.poll(kafka.append_raw(b"1", NAME.encode(), [("type", b"OrderPlaced"), ("id", b"x" * 16)]))
    await worker.poll(kafka.append_raw(NAME.encode(), b'{"type": "' + NAME.encode() + b'"}', []))

    said = capfd.readouterr().err
    assert NAME not in said
    assert SSN not in said
    assert "Rosalind" not in said
    by_event = {str(each["event"]): each for each in lines(said)}
    assert set(by_event) == {"author.thinks", "failure.message", "failure.command", "failure.malformed"}
    authors = by_event["author.thinks"]
    assert (authors["trace_id"], authors["span_id"]) == (UNSAMPLED[3:35], UNSAMPLED[36:52])
    assert (authors["saga"], authors["saga_key"]) == ("order", "order_id:7")
    assert authors["message_id"] == authors["correlation_id"] != ""
    failed = [each for each in lines(said) if each["event"] == "failure.message"]
    assert [each["saga_key"] for each in failed] == ["order_id:7", "order_id:9", "order_id:10"]
    assert str(failed[0]["exception"]).endswith("in stumble\nValueError")
    assert "23505, seat_name_key" in str(failed[1]["exception"])
    assert "which led to" in str(failed[2]["exception"])
    assert by_event["failure.command"]["handler"] == "refuse"
    assert subject.get() is None


@pytest.mark.usefixtures("as_configured")
def test_at_debug_an_error_is_told_in_full(capfd: pytest.CaptureFixture[str]) -> None:
    configure_logging("DEBUG")
    try:
        raise ValueError(NAME)
    except ValueError:
        logging.getLogger("x").exception("x.failed")

    assert f"ValueError: {NAME}" in capfd.readouterr().err


@pytest.mark.usefixtures("as_configured")
def test_every_library_s_lines_look_alike_and_facts_keep_their_names(
    capfd: pytest.CaptureFixture[str],
) -> None:
    configure_logging("INFO")

    logger("clinic_lib.x").warning("x.happened", count=3, saga_key="order_id:1")
    logging.getLogger("uvicorn.error").info("Started %s", "well", extra={"color_message": "red"})
    logging.getLogger("aiokafka").info("chatter")
    for _ in range(3):
        logging.getLogger("aiokafka.cluster").warning("away %d", 1)

    ours, uvicorn, kafka = lines(capfd.readouterr().err)
    assert (ours["event"], ours["count"], ours["saga_key"]) == ("x.happened", 3, "order_id:1")
    assert (ours["level"], ours["logger"]) == ("warning", "clinic_lib.x")
    assert str(ours["timestamp"]).endswith("Z")
    assert (uvicorn["event"], uvicorn.get("color_message")) == ("Started well", None)
    assert kafka["event"] == "away 1"


def test_errors_of_the_surroundings_are_described_others_only_named() -> None:
    violation = asyncpg.UniqueViolationError("duplicate key")
    violation.constraint_name, violation.detail = "name_key", f"Key (name)=({NAME})"
    missing = asyncpg.InvalidCatalogNameError('database "clinic" does not exist')

    assert describe(ConnectionRefusedError("nobody listens")) == "ConnectionRefusedError: nobody listens"
    assert (
        describe(TransientError(f"Deadlock: found\n[parameters: {NAME}]"))
        == "TransientError: Deadlock: found"
    )
    assert describe(TimeoutError()) == "TimeoutError"
    assert describe(ValueError(NAME)) == "ValueError"
    assert describe(violation) == "UniqueViolationError (23505, name_key)"
    assert describe(missing) == 'InvalidCatalogNameError: database "clinic" does not exist'


@pytest.mark.usefixtures("as_configured")
def test_a_group_of_errors_tells_each(capfd: pytest.CaptureFixture[str]) -> None:
    configure_logging("INFO")

    async def fail() -> None:
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(asyncio.sleep(0))
            raise KeyError(NAME)

    try:
        asyncio.run(fail())
    except ExceptionGroup:
        logging.getLogger("x").exception("x.failed")

    (line,) = lines(capfd.readouterr().err)
    assert "KeyError" in str(line["exception"])
    assert NAME not in str(line["exception"])


@pytest.mark.parametrize("written", ["info", "Info", "INFO"])
def test_a_level_may_be_written_small(written: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LOG_LEVEL", written)

    assert load_settings(AdminSettings).log_level == "INFO"


def test_a_level_that_is_none_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LOG_LEVEL", "loud")

    with pytest.raises(ConfigurationError, match=r"LOG_LEVEL: Input should be 'DEBUG', 'INFO'"):
        load_settings(AdminSettings)
