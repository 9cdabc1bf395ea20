"""A message is handled whole or not at all; one that fails parks its key and nothing else."""

import pytest

from clinic_lib.service import Service
from clinic_lib.storage import Database
from tests.core import shop
from tests.core.shop import (
    TOPIC,
    MyPage,
    OrderCancelled,
    OrderConfirmed,
    OrderPlaced,
    Seat,
    SeatsReserved,
)
from tests.core.worker import Log, Worker, letters, published, rows, value

clerk_service = Service(f"shop_clerk_{shop.RUN}", system="shop")


@clerk_service.step
def take(event: OrderPlaced, seat: Seat, page: MyPage | None) -> tuple[MyPage, SeatsReserved]:
    """Does all it is asked for, and raises last."""
    seat.free -= event.quantity
    seat.name = event.note
    shown = MyPage(event.order_id, "placed", ["placed"])
    match event.note:
        case "raise":
            raise RuntimeError("the clerk stumbled")
        case "file":
            raise FileNotFoundError("the clerk has no form")
        case "slow":
            raise TimeoutError("the clerk took too long")
    return shown, SeatsReserved(order_id=event.order_id, seat_id=seat.seat_id, quantity=event.quantity)


@clerk_service.step
def stamp(event: OrderPlaced, page: MyPage) -> OrderConfirmed:
    """Runs after `take` on the same event."""
    page.steps = [*page.steps, "stamped"]
    if event.note == "raise late":
        raise RuntimeError("the stamp broke")
    return OrderConfirmed(order_id=event.order_id)


@clerk_service.step
def tear(event: OrderCancelled, page: MyPage) -> None:
    page.status = "cancelled"
    page.steps.append("cancelled")


@pytest.fixture
async def worker(database: Database) -> Worker:
    async with database.session() as session:
        await session.execute("insert into seat select i, 10, 'untouched' || i from generate_series(1, 9) i")
    return Worker(clerk_service, database)


def order(number: int, note: str = "") -> OrderPlaced:
    return OrderPlaced(order_id=number, seat_id=number, quantity=1, note=note or f"order {number}")


def cancellation(number: int) -> OrderCancelled:
    return OrderCancelled(order_id=number, reason="changed my mind")


@pytest.mark.parametrize("note", ["raise", "raise late"])
async def test_a_function_that_raises_leaves_nothing_behind(
    note: str, worker: Worker, database: Database
) -> None:
    await worker.poll(Log().append(order(1, note)))

    assert await rows(database, "select free, name from seat where seat_id = 1") == [(10, "untouched1")]
    assert await rows(database, "select * from my_page") == []
    assert await published(database) == []


@pytest.mark.parametrize("note", ["raise", "raise late", "file", "slow"])
async def test_a_function_that_raises_parks_its_key(note: str, worker: Worker, database: Database) -> None:
    await worker.poll(Log().append(order(1, note)))

    ((state, key, error),) = await letters(database)
    assert (state, key) == ("failed", "order_id:1")
    assert error is not None
    assert "the " in error


async def test_a_dead_letter_is_the_whole_record_and_says_what_failed(
    worker: Worker, database: Database
) -> None:
    record = Log(3).append(order(1, "raise"))

    await worker.poll(record)

    statement = (
        'select topic, partition, "offset", record_key, record_value, type, handler, error, attempts, '
        "message_id, traceback like '%the clerk stumbled%', jsonb_array_length(record_headers) "
        "from clinic_lib.dead_letter"
    )
    message_id = dict(record.headers)["id"]
    assert [(*row[:9], row[9].bytes, *row[10:]) for row in await rows(database, statement)] == [
        (
            TOPIC,
            3,
            0,
            b"1",
            record.value,
            "OrderPlaced",
            "take, stamp",
            "RuntimeError: the clerk stumbled",
            1,
            message_id,
            True,
            2,
        )
    ]


async def test_later_messages_of_a_parked_key_wait_in_the_same_poll(
    worker: Worker, database: Database
) -> None:
    log = Log()

    await worker.poll(
        log.append(order(1, "raise")),
        log.append(order(2)),
        log.append(cancellation(1)),
        log.append(cancellation(2)),
    )

    assert [(state, key) for state, key, _ in await letters(database)] == [
        ("failed", "order_id:1"),
        ("waiting", "order_id:1"),
    ]
    assert await rows(database, "select order_id, status from my_page") == [(2, "cancelled")]


async def test_later_messages_of_a_parked_key_wait_in_later_polls(worker: Worker, database: Database) -> None:
    log = Log()
    await worker.poll(log.append(order(1, "raise")))

    await worker.poll(log.append(cancellation(1)), log.append(order(2)))
    await worker.poll(log.append(order(3)), log.append(order(1)))

    assert [state for state, *_ in await letters(database)] == ["failed", "waiting", "waiting"]
    assert await rows(database, "select order_id from my_page order by 1") == [(2,), (3,)]


async def test_a_message_that_waits_is_no_error(worker: Worker, database: Database) -> None:
    log = Log()

    await worker.poll(log.append(order(1, "raise")), log.append(cancellation(1)))

    assert [error for _, _, error in await letters(database)][1] is None


async def test_what_an_earlier_message_of_the_poll_did_survives_a_later_one_that_raises(
    worker: Worker, database: Database
) -> None:
    log = Log()
    second = OrderPlaced(order_id=2, seat_id=1, quantity=5, note="raise")
    third = OrderPlaced(order_id=3, seat_id=1, quantity=2, note="third")

    await worker.poll(log.append(order(1)), log.append(second), log.append(third))

    assert await rows(database, "select free, name from seat where seat_id = 1") == [(7, "third")]
    assert [key for _, key in await published(database)] == ["1", "1", "3", "3"]


async def test_a_list_in_a_row_that_was_changed_in_place_is_undone_too(
    worker: Worker, database: Database
) -> None:
    log = Log()
    await worker.poll(log.append(order(1)))
    service = Service(f"shop_spoiler_{shop.RUN}", system="shop")

    @service.step
    def spoil(event: OrderCancelled, page: MyPage) -> None:
        page.steps.append("spoilt")
        raise RuntimeError

    await Worker(service, database).poll(log.append(cancellation(1)))

    assert await value(database, "select steps::text from my_page") == '["placed", "stamped"]'


async def test_a_row_changed_in_place_is_saved(worker: Worker, database: Database) -> None:
    log = Log()

    await worker.poll(log.append(order(1)), log.append(cancellation(1)))

    assert await value(database, "select steps::text from my_page") == '["placed", "stamped", "cancelled"]'


async def test_a_row_that_is_missing_parks_the_key_and_says_which(worker: Worker, database: Database) -> None:
    await worker.poll(Log().append(OrderPlaced(order_id=1, seat_id=77, quantity=1)))

    assert await letters(database) == [
        ("failed", "order_id:1", "NotFoundError: there is no seat with seat_id 77")
    ]


async def test_a_new_row_that_is_there_already_parks_the_key(worker: Worker, database: Database) -> None:
    service = Service(f"shop_twice_{shop.RUN}", system="shop")

    @service.step
    def show(event: OrderPlaced) -> MyPage:
        return MyPage(event.order_id, "placed")

    log = Log()

    await Worker(service, database).poll(log.append(order(1)), log.append(order(1)), log.append(order(2)))

    assert [(state, key) for state, key, _ in await letters(database)] == [("failed", "order_id:1")]
    assert await rows(database, "select order_id from my_page order by 1") == [(1,), (2,)]


async def test_a_text_that_only_looks_like_a_nul_is_published(worker: Worker, database: Database) -> None:
    service = Service(f"shop_escape_{shop.RUN}", system="shop")

    @service.step
    def refuse(event: OrderPlaced) -> OrderCancelled:
        return OrderCancelled(order_id=event.order_id, reason=event.note)

    await Worker(service, database).poll(Log().append(order(1, r"the letters \u0000")))

    assert await letters(database) == []
    assert await published(database) == [("OrderCancelled", "1")]


async def test_a_text_with_a_nul_is_not_published(worker: Worker, database: Database) -> None:
    service = Service(f"shop_nul_{shop.RUN}", system="shop")

    @service.step
    def note(event: OrderCancelled) -> OrderPlaced:
        return OrderPlaced(order_id=event.order_id, seat_id=1, quantity=1, note="a\0b")

    await Worker(service, database).poll(Log().append(cancellation(1)))

    assert [(state, key) for state, key, _ in await letters(database)] == [("failed", "order_id:1")]
    assert await published(database) == []


async def test_a_row_is_loaded_once_and_shared_by_the_functions_of_a_poll(
    worker: Worker, database: Database
) -> None:
    log = Log()

    await worker.poll(*(log.append(OrderPlaced(order_id=n, seat_id=1, quantity=2)) for n in range(1, 5)))

    assert await rows(database, "select free from seat where seat_id = 1") == [(2,)]
