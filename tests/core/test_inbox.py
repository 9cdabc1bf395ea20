"""A redelivered message is handled once."""

import asyncio
from datetime import UTC, datetime, timedelta
from uuid import UUID, uuid4

import pytest

from clinic_lib import inbox
from clinic_lib.messages import new_message_id
from clinic_lib.storage import Database
from tests.core import shop
from tests.core.shop import OrderPlaced
from tests.core.worker import LOG, Log, Worker, rows, value

SEATS = 100


@pytest.fixture(autouse=True)
async def seats(database: Database) -> None:
    async with database.session() as session:
        await session.execute("insert into seat values (1, $1)", SEATS)


@pytest.fixture
def worker(database: Database) -> Worker:
    return Worker(shop.seat_service, database)


def order(number: int = 1) -> OrderPlaced:
    return OrderPlaced(order_id=number, seat_id=1, quantity=1)


async def taken(database: Database) -> int:
    return SEATS - int(await value(database, "select free from seat"))


async def test_the_same_message_twice_in_one_poll_is_handled_once(worker: Worker, database: Database) -> None:
    log, message_id = Log(), new_message_id()

    await worker.poll(log.append(order(), message_id), log.append(order(), message_id))

    assert await taken(database) == 1
    assert await value(database, "select count(*) from clinic_lib.outbox") == 1


async def test_the_same_message_on_two_partitions_in_one_poll_is_handled_once(
    worker: Worker, database: Database
) -> None:
    message_id = new_message_id()

    await worker.poll(Log(0).append(order(), message_id), Log(1).append(order(), message_id))

    assert await taken(database) == 1


async def test_the_same_message_in_two_polls_is_handled_once(worker: Worker, database: Database) -> None:
    log, message_id = Log(), new_message_id()

    await worker.poll(log.append(order(), message_id))
    await worker.poll(log.append(order(), message_id))

    assert await taken(database) == 1
    assert await inbox.positions(database, [LOG]) == {(LOG, 0): 2}


async def test_two_processes_that_are_given_one_poll_handle_it_once(
    worker: Worker, database: Database, other_database: Database
) -> None:
    log = Log()
    records = [log.append(order(n)) for n in range(1, 41)]
    other = Worker(shop.seat_service, other_database)

    await asyncio.gather(worker.poll(*records), other.poll(*records))

    assert await taken(database) == 40


async def test_two_processes_that_are_given_one_message_at_two_places_handle_it_once(
    worker: Worker, database: Database, other_database: Database
) -> None:
    ids = [new_message_id() for _ in range(40)]
    first, second = Log(0), Log(1)
    other = Worker(shop.seat_service, other_database)

    await asyncio.gather(
        worker.poll(*(first.append(order(n), each) for n, each in enumerate(ids, 1))),
        other.poll(*reversed([second.append(order(n), each) for n, each in enumerate(ids, 1)])),
    )

    assert await taken(database) == 40


async def test_records_below_the_stored_offset_are_skipped(worker: Worker, database: Database) -> None:
    log = Log()
    early, late = log.append(order(1)), log.append(order(2))
    await worker.poll(late)

    await worker.poll(early)

    assert await taken(database) == 1
    assert await inbox.positions(database, [LOG]) == {(LOG, 0): 2}


async def test_a_stored_offset_never_moves_back(worker: Worker, database: Database) -> None:
    log = Log()
    records = [log.append(order(n)) for n in range(1, 6)]
    await worker.poll(*records)

    await worker.poll(*records[:2])

    assert await taken(database) == 5
    assert await inbox.positions(database, [LOG]) == {(LOG, 0): 5}


async def test_another_cluster_begins_anew(database: Database) -> None:
    async with database.transaction() as transaction:
        await inbox.receive(transaction, {("one/shop", 0): 7}, [], [])

    assert await inbox.positions(database, ["one/shop", "two/shop"]) == {("one/shop", 0): 7}


async def test_a_message_without_a_place_is_refused(database: Database) -> None:
    async with database.transaction() as transaction:
        with pytest.raises(ValueError, match="2 messages can't have arrived at 1 places"):
            await inbox.receive(transaction, {}, [uuid4(), uuid4()], [inbox.Position(LOG, 0, 1)])


@pytest.mark.parametrize("message_id", [UUID(int=0), uuid4(), UUID(int=2**128 - 1)], ids=str)
async def test_ids_of_no_day_are_accepted_once(message_id: UUID, worker: Worker, database: Database) -> None:
    log = Log()

    await worker.poll(log.append(order(), message_id))
    await worker.poll(log.append(order(), message_id))

    assert await taken(database) == 1
    assert await partition_of(database, message_id) == "inbox_rest"


async def test_an_id_of_today_stands_in_the_partition_of_today(worker: Worker, database: Database) -> None:
    message_id = new_message_id()

    await worker.poll(Log().append(order(), message_id))

    assert await partition_of(database, message_id) == f"inbox_{datetime.now(UTC):%Y%m%d}"


async def test_partitions_are_made_ahead_and_dropped_after_the_retention(database: Database) -> None:
    later = datetime.now(UTC) + timedelta(days=100)

    await inbox.keep_partitions(database, later)

    days = [later + timedelta(days=n) for n in range(-1, 4)]
    assert await partitions(database) == [*(f"inbox_{day:%Y%m%d}" for day in days), "inbox_rest"]


async def test_partitions_within_the_retention_stay(database: Database) -> None:
    before = await partitions(database)

    await inbox.keep_partitions(database, datetime.now(UTC) + inbox.RETENTION - timedelta(days=1))

    assert set(before) < set(await partitions(database))


async def test_ids_that_came_before_their_partition_move_into_it(worker: Worker, database: Database) -> None:
    day = datetime.now(UTC) + timedelta(days=50)
    log, message_id = Log(), UUID(int=int(day.timestamp() * 1000) << 80 | 7)
    await worker.poll(log.append(order(), message_id))
    assert await partition_of(database, message_id) == "inbox_rest"

    await inbox.keep_partitions(database, day)

    assert await partition_of(database, message_id) == f"inbox_{day:%Y%m%d}"
    await worker.poll(log.append(order(), message_id))
    assert await taken(database) == 1


async def test_partitions_kept_by_many_processes_at_once_are_made_once(
    database: Database, other_database: Database
) -> None:
    later = datetime.now(UTC) + timedelta(days=30)

    await asyncio.gather(*(inbox.keep_partitions(each, later) for each in (database, other_database) * 2))

    assert len(await partitions(database)) == 6


async def partitions(database: Database) -> list[str]:
    found = await rows(
        database,
        "select c.relname from pg_inherits join pg_class c on c.oid = inhrelid "
        "where inhparent = 'clinic_lib.inbox'::regclass order by 1",
    )
    return [name for (name,) in found]


async def partition_of(database: Database, message_id: UUID) -> str:
    statement = "select tableoid::regclass::text from clinic_lib.inbox where message_id = $1"
    return str(await value(database, statement, message_id)).removeprefix("clinic_lib.")
