"""What a batch did is counted once it has committed, and once only."""

from datetime import UTC, datetime, timedelta

import asyncpg
import pytest
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from clinic_lib import letter_queue
from clinic_lib.deadlines import DeadlineTimer
from clinic_lib.delivery import Commands, Discard
from clinic_lib.errors import TransientError
from clinic_lib.messages import new_message_id
from clinic_lib.service import Service
from clinic_lib.storage import Database
from tests.core import shop
from tests.core.metric_values import Moved, moved
from tests.core.shop import (
    CancelOrder,
    MyPage,
    OrderCancelled,
    OrderPlaced,
    PlaceOrder,
    Seat,
    SeatsReserved,
)
from tests.core.worker import Log, Worker, cloud_event, rows, value

fragile_service = Service(f"shop_fragile_{shop.RUN}", system="shop")
trouble: list[Exception] = []
"""What the functions below raise, one after another."""


@fragile_service.step
def take(event: OrderPlaced, seat: Seat) -> SeatsReserved:
    """More than there are is refused by the table's constraint, not here."""
    if event.note == "poison":
        raise RuntimeError("poisoned")
    seat.free -= event.quantity
    return SeatsReserved(order_id=event.order_id, seat_id=seat.seat_id, quantity=event.quantity)


@fragile_service.projection
async def show(event: OrderPlaced, page: MyPage | None, tx: AsyncConnection) -> MyPage:
    if trouble:
        await tx.execute(text("select pg_terminate_backend(pg_backend_pid())"))
    return MyPage(event.order_id, "placed")


@pytest.fixture
async def worker(database: Database) -> Worker:
    async with database.session() as session:
        await session.execute("insert into seat values (1, 1000)")
    return Worker(fragile_service, database)


def order(number: int, quantity: int = 1, note: str = "") -> OrderPlaced:
    return OrderPlaced(order_id=number, seat_id=1, quantity=quantity, note=note)


def decided(by: Moved, handler: str, kind: str, outcome: str) -> float:
    return by("clinic_handler_handled_total", handler=handler, kind=kind, outcome=outcome)


def records(by: Moved, outcome: str) -> float:
    return by("clinic_consumer_records_total", outcome=outcome)


async def test_a_poll_counts_its_records_and_what_each_function_came_to(worker: Worker) -> None:
    log = Log()

    with moved(worker.service.name) as by:
        await worker.poll(*(log.append(order(n)) for n in range(1, 6)))

        assert records(by, "handled") == 5
        assert records(by, "duplicate") == 0
        assert decided(by, "take", "step", "done") == 5
        assert decided(by, "show", "projection", "done") == 5
        assert by("clinic_executor_batch_records_count", source="poll") == 1
        assert by("clinic_executor_batch_records_sum", source="poll") == 5
        assert by("clinic_executor_batch_seconds_count", source="poll") == 1


async def test_what_the_inbox_knows_is_a_duplicate_and_decided_by_nobody(worker: Worker) -> None:
    log, message_id = Log(), new_message_id()
    await worker.poll(log.append(order(1), message_id))

    with moved(worker.service.name) as by:
        again = log.append(order(1), message_id)
        await worker.poll(again, again, log.append(order(2)))

        assert (records(by, "handled"), records(by, "duplicate")) == (1, 2)
        assert decided(by, "take", "step", "done") == 1


async def test_a_poll_that_is_halved_until_one_message_is_alone_counts_each_message_once(
    worker: Worker, database: Database
) -> None:
    log = Log()
    too_many = 5000

    with moved(worker.service.name) as by:
        await worker.poll(*(log.append(order(n, too_many if n == 7 else 1)) for n in range(1, 11)))

        assert await value(database, "select free from seat") == 1000 - 9
        assert records(by, "handled") == 10
        assert decided(by, "take", "step", "done") == 9
        assert decided(by, "take", "step", "dead_letter") == 1
        assert by("clinic_dead_letter_stored_total", state="failed") == 1


async def test_a_poll_whose_connection_breaks_counts_when_it_is_repeated(worker: Worker) -> None:
    log = Log()
    poll = [log.append(order(n)) for n in (1, 2)]
    trouble.append(RuntimeError())

    with moved(worker.service.name) as by:
        with pytest.raises(TransientError):
            await worker.poll(*poll)
        assert records(by, "handled") == 0
        trouble.clear()
        await worker.poll(*poll)

        assert records(by, "handled") == 2
        assert decided(by, "take", "step", "done") == 2


async def test_a_poisoned_message_is_a_dead_letter_and_what_follows_it_is_parked(worker: Worker) -> None:
    log = Log()

    with moved(worker.service.name) as by:
        await worker.poll(log.append(order(1, note="poison")), log.append(order(1)), log.append(order(2)))

        assert decided(by, "take", "step", "dead_letter") == 1
        assert decided(by, "take", "step", "parked") == 1
        assert decided(by, "show", "projection", "parked") == 1
        assert decided(by, "take", "step", "done") == 1
        assert by("clinic_dead_letter_stored_total", state="failed") == 1
        assert by("clinic_dead_letter_stored_total", state="waiting") == 1


async def test_a_letter_that_is_handled_at_last_is_decided_then(worker: Worker) -> None:
    await worker.poll(Log().append(OrderPlaced(order_id=1, seat_id=2, quantity=1)))
    async with worker.executor.database.session() as session:
        await session.execute("insert into seat values (2, 1)")

    with moved(worker.service.name) as by:
        await worker.redriver.redrive_key("order_id:1")

        assert decided(by, "take", "step", "done") == 1
        assert by("clinic_redrive_letters_total") == 1
        assert by("clinic_executor_batch_records_sum", source="redrive") == 1
        assert records(by, "handled") == 0


async def test_a_compensation_that_fails_is_retrying(database: Database) -> None:
    async with database.session() as session:
        await session.execute("insert into seat values (1, 10)")
    worker, log = Worker(shop.seat_service, database), Log()
    await worker.poll(log.append(order(1, 3)))
    async with database.session() as session:
        await session.execute("delete from seat")

    with moved(worker.service.name) as by:
        await worker.poll(log.append(OrderCancelled(order_id=1, reason="late")))

        assert decided(by, "release", "compensation", "retrying") == 1
        assert by("clinic_dead_letter_stored_total", state="retrying") == 1


async def test_a_step_that_answers_with_a_failure_event_is_a_failure(database: Database) -> None:
    async with database.session() as session:
        await session.execute("insert into seat values (1, 1)")
    worker = Worker(shop.seat_service, database)

    with moved(worker.service.name) as by:
        await worker.poll(Log().append(order(1, 2)))

        assert decided(by, "reserve", "step", "failure") == 1
        assert decided(by, "reserve", "step", "done") == 0


async def test_commands_are_done_refused_or_an_error_and_a_group_is_one_batch(database: Database) -> None:
    worker = Worker(shop.order_service, database)
    await worker.command(PlaceOrder(seat_id=1, quantity=1))
    cancel = [worker.delivery(CancelOrder(order_id=n, reason="late"), f"order_id:{n}") for n in (1, 1, 99)]

    with moved(worker.service.name) as by:
        await worker.executor.run(Commands([worker.delivery(PlaceOrder(seat_id=1, quantity=1)), *cancel]))

        assert decided(by, "place", "command", "done") == 1
        assert decided(by, "cancel", "command", "failure") == 1
        assert decided(by, "cancel", "command", "refused") == 2
        assert by("clinic_executor_batch_records_sum", source="commands") == 4
        assert by("clinic_executor_batch_records_count", source="commands") == 1


async def test_the_delay_of_a_view_is_that_of_the_poll_s_oldest_event(database: Database) -> None:
    worker, log = Worker(shop.page_service, database), Log()
    message_id = new_message_id()
    earlier = (datetime.now(UTC) - timedelta(seconds=30)).isoformat()
    headers = [("type", b"OrderPlaced"), ("id", message_id.bytes)]
    old = log.append_raw(b"1", cloud_event(order(1), message_id, time=earlier), headers)

    with moved(worker.service.name) as by:
        await worker.poll(log.append(order(2)), old, log.append(order(3)))

        assert by("clinic_projection_delay_seconds_count", projection="show_placed") == 1
        assert 30 <= by("clinic_projection_delay_seconds_sum", projection="show_placed") < 40


async def test_a_saga_counts_its_start_its_end_and_the_time_between_once(database: Database) -> None:
    worker, log = Worker(shop.order_service, database), Log()

    with moved(worker.service.name) as by:
        await worker.command(PlaceOrder(seat_id=1, quantity=1))
        number = await value(database, 'select max(order_id) from "order"')
        async with database.session() as session:
            await session.execute("update clinic_lib.saga set started_at = started_at - interval '7 seconds'")
        reserved = SeatsReserved(order_id=number, seat_id=1, quantity=1)
        await worker.poll(log.append(reserved))
        await worker.poll(log.append(reserved))

        assert by("clinic_saga_started_total", saga="purchase") == 1
        assert by("clinic_saga_seconds_count", saga="purchase", state="completed") == 1
        assert 7 <= by("clinic_saga_seconds_sum", saga="purchase", state="completed") < 17
        await worker.command(CancelOrder(order_id=number, reason="late"), f"order_id:{number}")
        assert by("clinic_saga_ended_total", saga="purchase", state="completed") == 1
        assert by("clinic_saga_ended_total", saga="purchase", state="compensated") == 0
        assert by("clinic_saga_seconds_count", saga="purchase", state="compensated") == 0


async def test_a_deadline_counts_once_its_transaction_has_committed(database: Database) -> None:
    worker = Worker(shop.order_service, database)
    await worker.command(PlaceOrder(seat_id=1, quantity=1))
    late = "update clinic_lib.saga set deadline_at = now() - interval '1 second'"
    async with database.session() as session:
        await session.execute(late)
        await session.execute("alter table clinic_lib.outbox rename to outbox_away")

    with moved(worker.service.name) as by:
        with pytest.raises(asyncpg.UndefinedTableError):
            await DeadlineTimer(worker.executor).fire()
        assert by("clinic_saga_overdue_total", saga="purchase") == 0
        async with database.session() as session:
            await session.execute("alter table clinic_lib.outbox_away rename to outbox")
        await DeadlineTimer(worker.executor).fire()

        assert by("clinic_saga_overdue_total", saga="purchase") == 1


async def test_a_discarded_letter_is_decided_by_nobody(worker: Worker, database: Database) -> None:
    await worker.poll(Log().append(order(1, note="poison")))
    ((number,),) = await rows(database, "select id from clinic_lib.dead_letter")
    letter = await letter_queue.stored(database, number)
    assert letter is not None

    with moved(worker.service.name) as by:
        await worker.redriver.discard(letter)

        assert by("clinic_executor_batch_records_sum", source=Discard.source) == 1
        assert decided(by, "take", "step", "done") == 0
