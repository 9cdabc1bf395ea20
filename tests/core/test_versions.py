"""Old and new versions of an event live side by side in one log."""

from typing import Any

import orjson
import pytest

from clinic_lib.errors import WiringError
from clinic_lib.messages import Event, Id
from clinic_lib.service import Service
from clinic_lib.storage import Database
from tests.core import shop
from tests.core.shop import MyPage, OrderCancelled, OrderPlaced, ShopEvent
from tests.core.worker import Log, Worker, letters, rows, value

WRITTEN_BY_VERSION_1 = (
    b'{"specversion":"1.0","id":"01900000-0000-7000-8000-000000000001","type":"SeatsSold","source":"seat",'
    b'"time":"2026-03-01T08:00:00+00:00","subject":"1","correlationid":"01900000-0000-7000-8000-000000000000",'
    b'"causationid":"01900000-0000-7000-8000-000000000000","dataversion":1,'
    b'"datacontenttype":"application/json","data":{"order_id":1,"seats":"2"}}'
)
WRITTEN_BY_VERSION_2 = WRITTEN_BY_VERSION_1.replace(b'"dataversion":1', b'"dataversion":2').replace(
    b'"seats":"2"', b'"quantity":2'
)


class SeatsSold(ShopEvent, version=3):
    """Version 1 had `seats` as a text, version 2 had no price."""

    quantity: Id
    price_cents: int


@SeatsSold.upcast(from_version=1)
def count_the_seats(data: dict[str, Any]) -> dict[str, Any]:
    return {"order_id": data["order_id"], "quantity": int(data["seats"])}


@SeatsSold.upcast(from_version=2)
def guess_the_price(data: dict[str, Any]) -> dict[str, Any]:
    return data | {"price_cents": 100 * data["quantity"]}


archive_service = Service(f"shop_archive_{shop.RUN}", system="shop")


@archive_service.step
def write_down(event: SeatsSold, page: MyPage | None) -> MyPage:
    return MyPage(event.order_id, f"{event.quantity} for {event.price_cents}")


@archive_service.step
def sell(event: OrderPlaced) -> SeatsSold:
    return SeatsSold(order_id=event.order_id, quantity=event.quantity, price_cents=7)


@archive_service.compensation(sell)
def take_back(event: OrderCancelled, done: SeatsSold, page: MyPage | None) -> MyPage:
    return MyPage(event.order_id, f"took {done.quantity} for {done.price_cents} back")


@pytest.fixture
def worker(database: Database) -> Worker:
    return Worker(archive_service, database)


def record(log: Log, payload: bytes) -> Any:
    number = orjson.loads(payload)["id"].replace("-", "")
    return log.append_raw(b"1", payload, [("type", b"SeatsSold"), ("id", bytes.fromhex(number))])


@pytest.mark.parametrize(
    ("payload", "shown"),
    [
        (WRITTEN_BY_VERSION_1, "2 for 200"),
        (WRITTEN_BY_VERSION_1.replace(b'"dataversion":1,', b""), "2 for 200"),
        (WRITTEN_BY_VERSION_2, "2 for 200"),
        (
            WRITTEN_BY_VERSION_2.replace(b'"dataversion":2', b'"dataversion":3').replace(
                b'"quantity":2', b'"quantity":2,"price_cents":7'
            ),
            "2 for 7",
        ),
        (
            WRITTEN_BY_VERSION_2.replace(b'"dataversion":2', b'"dataversion":4').replace(
                b'"quantity":2', b'"quantity":2,"price_cents":7,"currency":"EUR"'
            ),
            "2 for 7",
        ),
    ],
    ids=["version 1", "no version", "version 2", "version 3", "a newer one"],
)
async def test_a_record_of_any_version_is_read(
    payload: bytes, shown: str, worker: Worker, database: Database
) -> None:
    await worker.poll(record(Log(), payload))

    assert await value(database, "select status from my_page") == shown


async def test_what_no_upcaster_can_read_is_put_aside_until_one_can(
    worker: Worker, database: Database
) -> None:
    log = Log()

    await worker.poll(record(log, WRITTEN_BY_VERSION_1.replace(b'"2"', b'"two"')))

    ((state, _, error),) = await letters(database)
    assert state == "malformed"
    assert error is not None
    assert "an upcaster of SeatsSold raised ValueError in " in error
    assert "'two'" not in str(await rows(database, "select error, traceback from clinic_lib.dead_letter"))
    async with database.session() as session:
        await session.execute("update clinic_lib.dead_letter set record_value = $1", WRITTEN_BY_VERSION_1)
    await worker.redriver.redrive_all()
    assert await letters(database) == []
    assert await value(database, "select status from my_page") == "2 for 200"


async def test_a_compensation_is_handed_what_an_older_version_did(worker: Worker, database: Database) -> None:
    """The step ran before the service was updated, its undoing comes after."""
    log = Log()
    await worker.poll(log.append(OrderPlaced(order_id=1, seat_id=1, quantity=2)))
    async with database.session() as session:
        old = b'{"order_id":1,"seats":"2"}'
        await session.execute("update clinic_lib.barrier set done = $1, done_version = 1", old)

    await worker.poll(log.append(OrderCancelled(order_id=1, reason="late")))

    assert await value(database, "select status from my_page") == "took 2 for 200 back"


async def test_a_run_whose_answer_is_not_declared_any_more_is_not_passed_over(
    worker: Worker, database: Database
) -> None:
    """The step was changed too early: somebody has to put the event back into its return type."""
    log = Log()
    await worker.poll(log.append(OrderPlaced(order_id=1, seat_id=1, quantity=2)))
    async with database.session() as session:
        await session.execute("update clinic_lib.barrier set done_type = 'SeatsGiven'")

    await worker.poll(log.append(OrderCancelled(order_id=1, reason="late")))

    ((state, key, error),) = await letters(database)
    assert (state, key) == ("retrying", "order_id:1")
    assert error is not None
    assert "sell answered with SeatsGiven, which it does not declare any more" in error
    async with database.session() as session:
        await session.execute("update clinic_lib.barrier set done_type = 'SeatsSold'")
    await worker.redriver.redrive_all()
    assert await letters(database) == []
    assert await value(database, "select status from my_page") == "took 2 for 7 back"


async def test_a_type_that_an_older_consumer_does_not_know_is_passed_over(
    worker: Worker, database: Database
) -> None:
    log = Log()
    new = record(log, WRITTEN_BY_VERSION_1.replace(b"SeatsSold", b"SeatsGiven"))
    new.headers = (("type", b"SeatsGiven"), *new.headers[1:])

    await worker.poll(new, record(log, WRITTEN_BY_VERSION_1))

    assert await letters(database) == []
    assert await rows(database, "select status from my_page") == [("2 for 200",)]


def test_events_carry_the_version_that_wrote_them() -> None:
    assert SeatsSold.declaration.version == 3
    assert OrderPlaced.declaration.version == 1


@pytest.mark.parametrize("version", [0, 1, 3, 4])
def test_each_earlier_version_has_one_upcaster(version: int) -> None:
    with pytest.raises(WiringError, match="each earlier version has one upcaster"):
        SeatsSold.upcast(from_version=version)(count_the_seats)


def test_upcasters_of_one_event_are_no_other_s() -> None:
    class SeatsGiven(Event, topic="shop", key="order_id", version=2):
        order_id: Id

    assert SeatsGiven.upcasters == {}


@pytest.mark.parametrize("version", [b"-1000000000000", b"0", b'"2"', b"true", b"null"])
async def test_a_version_that_is_none_is_put_aside_at_once(
    version: bytes, worker: Worker, database: Database
) -> None:
    value_of_it = WRITTEN_BY_VERSION_1.replace(b'"dataversion":1', b'"dataversion":' + version)

    await worker.poll(record(Log(), value_of_it))

    ((state, _, error),) = await letters(database)
    assert state == "malformed"
    assert error is not None
    assert "is no version" in error


async def test_what_stands_in_a_malformed_record_is_not_in_its_error(
    worker: Worker, database: Database
) -> None:
    await worker.poll(
        record(Log(), WRITTEN_BY_VERSION_2.replace(b'"quantity":2', b'"quantity":"Ada, 12 Mill Lane"'))
    )

    ((_, _, error),) = await letters(database)
    assert error is not None
    assert "Mill Lane" not in error
