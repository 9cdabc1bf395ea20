"""An SQL error spoils the one message that causes it; trouble that passes spoils none."""

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from clinic_lib.commands import CommandQueue
from clinic_lib.delivery import Commands
from clinic_lib.errors import CommandError, TransientError, UnavailableError
from clinic_lib.messages import Command, Id, new_message_id
from clinic_lib.outbox import OutboxRow
from clinic_lib.service import Service
from clinic_lib.storage import Database, NewIds, PostgresqlTransaction
from clinic_lib.testing.simulation.outlet import Waiting
from tests.core import shop
from tests.core.shop import MyPage, Order, OrderConfirmed, OrderPlaced, Seat, SeatsReserved
from tests.core.worker import DONE, Log, Worker, letters, published, rows, value

WRONG: Any = object()
"""A value of no column's type."""

spoiling_service = Service(f"shop_spoiling_{shop.RUN}", system="shop")


@spoiling_service.step
def take(event: OrderPlaced, seat: Seat) -> tuple[MyPage, SeatsReserved]:
    """Writes what the note says into the seat."""
    seat.free -= 1
    match event.note:
        case "overflow":
            seat.free = 2**63
        case "huge":
            seat.free = 10**30
        case "negative":
            seat.free = -1
        case "name taken":
            seat.name = "taken"
        case "wrong type":
            seat.name = WRONG
        case "surrogate":
            seat.name = "\ud800"
        case "NUL":
            seat.name = "a\0b"
        case "not JSON":
            return MyPage(event.order_id, "placed", [WRONG]), _reserved(event)
    return MyPage(event.order_id, "placed"), _reserved(event)


def _reserved(event: OrderPlaced) -> SeatsReserved:
    return SeatsReserved(order_id=event.order_id, seat_id=event.seat_id, quantity=1)


@pytest.fixture(autouse=True)
async def seats(database: Database) -> None:
    async with database.session() as session:
        await session.execute("insert into seat select i, 10 from generate_series(1, 500) i")
        await session.execute("insert into seat values (1000, 10, 'taken')")


def order(number: int, note: str = "") -> OrderPlaced:
    return OrderPlaced(order_id=number, seat_id=number, quantity=1, note=note)


NOTES = ["overflow", "huge", "negative", "name taken", "wrong type", "surrogate", "NUL", "not JSON"]


@pytest.mark.parametrize("note", NOTES)
async def test_one_of_many_messages_that_the_database_refuses_spoils_itself_alone(
    note: str, database: Database
) -> None:
    worker, log = Worker(spoiling_service, database), Log()

    await worker.poll(*(log.append(order(n, note if n == 17 else "")) for n in range(1, 41)))

    assert [(state, key) for state, key, _ in await letters(database)] == [("failed", "order_id:17")]
    assert await value(database, "select count(*) from my_page") == 39
    assert await value(database, "select count(*) from seat where free = 9") == 39
    assert len(await published(database)) == 39


async def test_one_of_500_messages_that_the_database_refuses_spoils_itself_alone(database: Database) -> None:
    worker, log = Worker(spoiling_service, database), Log()

    await worker.poll(*(log.append(order(n, "name taken" if n == 321 else "")) for n in range(1, 501)))

    ((state, key, error),) = await letters(database)
    assert (state, key) == ("failed", "order_id:321")
    assert error is not None
    assert "seat_name_key" in error
    assert await value(database, "select count(*) from my_page") == 499


async def test_a_dead_letter_tells_its_error_once_however_often_its_poll_was_halved(
    database: Database,
) -> None:
    worker, log = Worker(spoiling_service, database), Log()

    await worker.poll(*(log.append(order(n, "wrong type" if n == 17 else "")) for n in range(1, 41)))

    trace = await value(database, "select traceback from clinic_lib.dead_letter")
    assert "During handling" not in trace


async def test_messages_behind_one_that_the_database_refuses_wait(database: Database) -> None:
    worker, log = Worker(spoiling_service, database), Log()
    numbers = [1, 2, 3, 2, 1, 2, 3]

    await worker.poll(
        *(log.append(order(n, "negative" if place == 1 else "")) for place, n in enumerate(numbers))
    )

    assert [(state, key) for state, key, _ in await letters(database) if key == "order_id:2"] == [
        ("failed", "order_id:2"),
        ("waiting", "order_id:2"),
        ("waiting", "order_id:2"),
    ]


async def test_the_events_of_a_key_stay_in_order_when_a_poll_is_halved(database: Database) -> None:
    log = Log()
    service = Service(f"shop_ordered_{shop.RUN}", system="shop")

    @service.step
    def answer(event: OrderPlaced, seat: Seat) -> SeatsReserved:
        seat.free = -1 if event.note == "negative" else seat.free - 1
        return SeatsReserved(order_id=event.order_id, seat_id=event.seat_id, quantity=1)

    records = [log.append(OrderPlaced(order_id=n % 3 + 1, seat_id=n, quantity=1)) for n in range(1, 31)]
    bad = log.append(order(400, "negative"))

    await Worker(service, database).poll(*records, bad)

    assert [key for _, key, _ in await letters(database)] == ["order_id:400"]
    seats = await rows(
        database,
        "select (convert_from(payload, 'UTF8')::jsonb -> 'data' ->> 'seat_id')::int "
        "from clinic_lib.outbox where aggregateid = '1' order by id",
    )
    assert [seat for (seat,) in seats] == list(range(3, 31, 3))


async def test_what_was_sent_stays_known_when_a_transaction_cannot_begin(database: Database) -> None:
    worker = Worker(shop.seat_service, database)
    worker.executor.outlet = outlet = Waiting(lambda rows: None)
    row = OutboxRow(1, new_message_id(), shop.TOPIC, "1", "OrderPlaced", b"")
    outlet.offer([row])
    outlet.has_sent(row)

    with pytest.raises(AttributeError):
        await worker.executor.run(Commands([None]))

    assert outlet.take_sent() == [1]


counting_service = Service(f"shop_counting_{shop.RUN}", system="shop")
LAST_ID = "select last_value from order_order_id_seq"


@counting_service.step
def count_out(event: OrderPlaced, ids: NewIds[Order]) -> MyPage:
    """Takes as many ids as are ordered."""
    return MyPage(event.order_id, str(max(next(ids) for _ in range(event.quantity))))


async def test_many_ids_that_one_message_takes_are_not_drawn_for_later_ones(database: Database) -> None:
    worker, log = Worker(counting_service, database), Log()
    await worker.poll(log.append(OrderPlaced(order_id=1, seat_id=1, quantity=300)))
    await worker.poll(log.append(OrderPlaced(order_id=2, seat_id=1, quantity=1)))
    drawn = await value(database, LAST_ID)

    await worker.poll(*(log.append(OrderPlaced(order_id=n, seat_id=1, quantity=1)) for n in (3, 4)))

    assert await value(database, "select count(*) from my_page") == 4
    assert await value(database, LAST_ID) == drawn + 2


async def test_ids_that_messages_usually_take_are_drawn_at_once(database: Database) -> None:
    worker, log = Worker(counting_service, database), Log()
    await worker.poll(*(log.append(OrderPlaced(order_id=n, seat_id=1, quantity=3)) for n in (1, 2)))
    drawn = await value(database, LAST_ID)

    await worker.poll(*(log.append(OrderPlaced(order_id=n, seat_id=1, quantity=3)) for n in (3, 4)))

    assert await value(database, "select count(*) from my_page") == 4
    assert await value(database, LAST_ID) == drawn + 6


async def test_a_message_that_takes_more_ids_than_anybody_needs_is_set_aside_alone(
    database: Database,
) -> None:
    worker, log = Worker(counting_service, database), Log()
    quantities = [1, 5000, 1]

    await worker.poll(
        *(log.append(OrderPlaced(order_id=n, seat_id=1, quantity=q)) for n, q in enumerate(quantities, 1))
    )

    assert await letters(database) == [
        ("failed", "order_id:2", "ValueError: a function takes more than 1024 new ids")
    ]
    assert await value(database, "select count(*) from my_page") == 2


walk_out: list[str] = []
transient_service = Service(f"shop_transient_{shop.RUN}", system="shop")


@transient_service.step
async def walk(event: OrderPlaced, seat: Seat, tx: AsyncConnection) -> SeatsReserved:
    """Has its own backend terminated, or a statement take too long, as often as `walk_out` says."""
    if event.note == "slow" and walk_out:
        walk_out.pop()
        driver = (await tx.get_raw_connection()).driver_connection
        assert driver is not None
        await driver.execute("select pg_sleep(10)", timeout=0.1)  # as every statement has 60 s
    if event.note == "terminate" and walk_out:
        walk_out.pop()
        await tx.execute(text("select pg_terminate_backend(pg_backend_pid())"))
    if event.note == "deadlock":
        await tx.execute(text("set local deadlock_timeout = '50ms'"))
        await tx.execute(text("select 1 from seat where seat_id = 101 for update"))
        met.set()
        await tx.execute(text("select 1 from seat where seat_id = 102 for update"))
    seat.free -= 1
    return _reserved(event)


met = asyncio.Event()


async def test_a_terminated_backend_is_reported_as_passing_trouble(database: Database) -> None:
    walk_out[:] = ["once"]
    worker, log = Worker(transient_service, database), Log()
    records = [log.append(order(n, "terminate" if n == 5 else "")) for n in range(1, 11)]

    with pytest.raises(TransientError):
        await worker.poll(*records)

    assert await rows(database, "select * from clinic_lib.inbox") == []


async def test_after_a_terminated_backend_the_same_poll_is_handled_whole(database: Database) -> None:
    walk_out[:] = ["once"]
    worker, log = Worker(transient_service, database), Log()
    work = worker.work([log.append(order(n, "terminate" if n == 5 else "")) for n in range(1, 11)])
    with pytest.raises(TransientError):
        await worker.executor.run(work)

    await worker.executor.run(work)

    assert await letters(database) == []
    assert await value(database, "select count(*) from seat where free = 9") == 10


async def test_a_backend_terminated_while_a_poll_waits_for_a_lock_spoils_nothing(
    database: Database, other_database: Database
) -> None:
    worker, log = Worker(shop.seat_service, database), Log()
    work = worker.work([log.append(order(n)) for n in range(1, 11)])

    async with other_database.transaction() as transaction:
        await transaction.fetch("select 1 from seat where seat_id = 3 for update")
        waiting = asyncio.create_task(worker.executor.run(work))
        while not await transaction.fetch(
            "select pg_terminate_backend(pid) from pg_stat_activity "
            "where wait_event_type = 'Lock' and datname = current_database()"
        ):
            await asyncio.sleep(0.01)
    with pytest.raises(TransientError):
        await waiting
    await worker.executor.run(work)

    assert await letters(database) == []
    assert await value(database, "select count(*) from seat where free = 9") == 10


async def test_a_deadlock_makes_its_message_be_tried_again_and_no_other(
    database: Database, other_database: Database
) -> None:
    met.clear()
    worker, log = Worker(transient_service, database), Log()
    work = worker.work([log.append(order(n, "deadlock" if n == 5 else "")) for n in range(1, 11)])

    async with other_database.transaction() as transaction:
        await transaction.fetch("set local deadlock_timeout = '30s'")
        await transaction.fetch("select 1 from seat where seat_id = 102 for update")
        polled = asyncio.create_task(worker.executor.run(work))
        await met.wait()
        crossed = asyncio.create_task(transaction.fetch("select 1 from seat where seat_id = 101 for update"))
        await polled
        await crossed
    assert await value(database, "select count(*) from seat where free = 9") == 9
    assert [state for state, _, _ in await letters(database)] == ["retrying"]
    await worker.redriver.redrive_key("order_id:5")

    assert await letters(database) == []
    assert await value(database, "select count(*) from seat where free = 9") == 10


async def test_a_statement_that_takes_too_long_makes_its_message_be_tried_again(database: Database) -> None:
    walk_out[:] = ["once"]
    worker, log = Worker(transient_service, database), Log()

    await worker.poll(*(log.append(order(n, "slow" if n == 5 else "")) for n in range(1, 11)))

    assert [(state, key) for state, key, _ in await letters(database)] == [("retrying", "order_id:5")]
    await worker.redriver.redrive_key("order_id:5")
    assert await letters(database) == []
    assert await value(database, "select count(*) from seat where free = 9") == 10


async def test_a_pause_that_costs_the_transaction_spoils_nothing(database_url: str) -> None:
    paused = Service(f"shop_paused_{shop.RUN}", system="shop")
    pauses = [1.5]

    @paused.step
    def doze(event: OrderPlaced, seat: Seat) -> SeatsReserved:
        if pauses:
            time.sleep(pauses.pop())
        seat.free -= 1
        return _reserved(event)

    database = Database(database_url, idle_seconds=1)
    worker = Worker(paused, database)
    work = worker.work([Log().append(order(1))])

    try:
        for _ in range(3):
            try:
                await worker.executor.run(work)
                break
            except TransientError:
                continue
        assert await letters(database) == []
        assert await value(database, "select free from seat where seat_id = 1") == 9
    finally:
        await database.close()


async def test_a_database_that_is_away_is_passing_trouble() -> None:
    database = Database("postgresql://nobody@127.0.0.1:9/none")

    with pytest.raises(TransientError):
        await Worker(shop.seat_service, database).poll(Log().append(order(1)))

    await database.close()


# --- commands


class Sell(Command):
    order_id: Id
    way: str


selling_service = Service(f"shop_selling_{shop.RUN}", system="shop")


@selling_service.command("POST", "/sales")
async def sell(command: Sell, tx: AsyncConnection) -> OrderConfirmed:
    statement = {
        "well": "update seat set free = free - 1 where seat_id = 1",
        "badly": "update seat set free = -1 where seat_id = 2",
        "terminate": "select pg_terminate_backend(pg_backend_pid())" if walk_out else "select 1",
    }[command.way]
    if command.way == "terminate" and walk_out:
        walk_out.pop()
    await tx.execute(text(statement))
    return OrderConfirmed(order_id=command.order_id)


class Rename(Command):
    seat_id: Id
    name: str


@selling_service.command("POST", "/names")
def rename(command: Rename, seat: Seat) -> None:
    seat.name = command.name
    seat.free -= 1


async def test_each_command_of_a_group_has_its_own_answer(database: Database) -> None:
    worker = Worker(selling_service, database)
    names = ["one", "two", "two", "taken", "five"]
    group = [worker.delivery(Rename(seat_id=n, name=name)) for n, name in enumerate(names, 1)]

    await worker.executor.run(Commands(group))

    assert [each.answer for each in (group[0], group[1], group[4])] == [DONE] * 3
    assert all(isinstance(each.answer, Exception) for each in (group[2], group[3]))
    assert await rows(database, "select name from seat where free = 9 order by seat_id") == [
        ("one",),
        ("two",),
        ("five",),
    ]


async def test_a_command_that_was_committed_is_not_carried_out_again_with_its_group(
    database: Database,
) -> None:
    walk_out[:] = ["once"]
    worker = Worker(selling_service, database)
    commands = [
        Rename(seat_id=1, name="one"),
        Rename(seat_id=2, name="taken"),
        Sell(order_id=1, way="terminate"),
        Sell(order_id=2, way="well"),
    ]
    queue = CommandQueue(worker.executor, 10)
    waiting = [asyncio.create_task(queue.submit(worker.delivery(command))) for command in commands]
    await asyncio.sleep(0)

    queue.start()
    answers = await asyncio.gather(*waiting)
    await queue.stop()

    assert [each is DONE for each in answers] == [True, False, True, True]
    assert await rows(database, "select free from seat where seat_id < 3 order by seat_id") == [(8,), (10,)]


class BreaksInCommit(Database):
    """Commits, and its connection breaks before the server's answer; then the server is away for some questions."""

    questions = 0
    broken = False

    @asynccontextmanager
    async def session(self) -> AsyncIterator[PostgresqlTransaction]:
        if self.broken and self.questions:
            self.questions -= 1
            raise TransientError("the server is away")
        async with super().session() as session:
            yield session

    @asynccontextmanager
    async def transaction(self) -> AsyncIterator[PostgresqlTransaction]:
        async with super().transaction() as transaction:
            yield transaction
        self.broken = True
        raise TransientError("the connection broke")


async def answer_to(way: str, breaking: BreaksInCommit) -> object:
    """What the command is answered."""
    worker = Worker(selling_service, breaking)
    queue = CommandQueue(worker.executor, 10)
    queue.start()
    answer = await queue.submit(worker.delivery(Sell(order_id=1, way=way)))
    await queue.stop()
    await breaking.close()
    return answer


async def test_a_command_that_was_committed_is_answered_once_the_server_is_back(
    database: Database, database_url: str
) -> None:
    breaking = BreaksInCommit(database_url)
    breaking.questions = 3

    answer = await answer_to("well", breaking)

    assert breaking.questions == 0
    assert answer == DONE
    assert await published(database) == [("OrderConfirmed", "1")]


@pytest.mark.parametrize("failures", [2, 3])
async def test_a_command_is_answered_when_its_last_attempt_was_committed_and_else_refused(
    failures: int, database: Database, database_url: str
) -> None:
    walk_out[:] = ["again"] * failures

    answer = await answer_to("terminate", BreaksInCommit(database_url))

    sold = await published(database)
    assert answer == DONE if sold else isinstance(answer, UnavailableError)
    assert sold == [("OrderConfirmed", "1")] * (3 - failures)


async def test_a_command_about_a_missing_row_is_told_so(database: Database) -> None:
    worker = Worker(selling_service, database)

    answer = await worker.command(Rename(seat_id=900, name="nowhere"))

    assert isinstance(answer, CommandError)
    assert answer.status == 404
