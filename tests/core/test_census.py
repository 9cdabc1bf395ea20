"""The census tells what lies in the database, whoever put it there, at a bounded cost."""

import asyncio
import logging
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from enum import Enum
from typing import Literal

import pytest
from sqlalchemy.orm import DeclarativeBase, Mapped, MappedAsDataclass, mapped_column

from clinic_lib.census import COUNT, Census
from clinic_lib.deadlines import DeadlineTimer
from clinic_lib.row_gauge import RowGauge
from clinic_lib.saga import notices_of
from clinic_lib.storage import COLUMN_TYPES, Database
from tests.core import shop
from tests.core.metric_values import now
from tests.core.shop import OrderPlaced, PlaceOrder
from tests.core.worker import Log, Worker, rows

SECONDS = 0.1
Status = Literal["open", "paid"] | Literal["void"]


class Size(Enum):
    SMALL = "s"
    LARGE = "l"


class Base(MappedAsDataclass, DeclarativeBase):
    type_annotation_map = COLUMN_TYPES | {Status: COLUMN_TYPES[str]}


class Bill(Base):
    __tablename__ = "bill of the shop"

    bill_id: Mapped[int] = mapped_column(primary_key=True)
    status: Mapped[Status]
    size: Mapped[Size | None] = mapped_column(default=None)


GAUGES = [RowGauge.of(Bill.status), RowGauge.of(Bill.size)]


@pytest.fixture
def owner(database: Database) -> Worker:
    return Worker(shop.order_service, database)


@asynccontextmanager
async def counting(worker: Worker, *, database: Database | None = None) -> AsyncIterator[Census]:
    """A census every 0.1 s, which has looked when the block begins."""
    service, names = worker.executor.service, worker.executor.plan.sagas.names
    counted = database or worker.executor.database
    assert isinstance(counted, Database)
    census = Census(service, counted, names, [], seconds=SECONDS)
    task = asyncio.create_task(census.run())
    try:
        await looked(census)
        yield census
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


async def looked(census: Census) -> None:
    """A look that began from now on is over."""
    for _ in range(2):
        age = census.age()
        async with asyncio.timeout(10):
            while census.age() >= age:
                age = census.age()
                await asyncio.sleep(0.005)


async def test_rows_that_nobody_sends_are_seen_with_the_age_of_the_oldest(
    owner: Worker, database: Database
) -> None:
    async with counting(owner) as census:
        assert now(owner.service.name, "clinic_outbox_rows") == 0
        assert now(owner.service.name, "clinic_outbox_oldest_seconds") == 0
        for _ in range(3):
            await owner.command(PlaceOrder(seat_id=1, quantity=1))
        async with database.session() as session:
            await session.execute(
                "update clinic_lib.outbox set created_at = created_at - interval '1 minute' "
                "where id = (select min(id) from clinic_lib.outbox)"
            )

        await looked(census)

        assert now(owner.service.name, "clinic_outbox_rows") == 3
        assert 60 <= now(owner.service.name, "clinic_outbox_oldest_seconds") < 80
        async with database.session() as session:
            await session.execute("delete from clinic_lib.outbox")
        await looked(census)
        assert (
            now(owner.service.name, "clinic_outbox_rows")
            == now(owner.service.name, "clinic_outbox_oldest_seconds")
            == 0
        )


async def test_letters_and_parked_keys_are_seen_until_they_are_handled(database: Database) -> None:
    worker, log = Worker(shop.seat_service, database), Log()
    async with counting(worker) as census:
        failing = [OrderPlaced(order_id=n, seat_id=9, quantity=1) for n in (1, 2)]
        await worker.poll(*(log.append(each) for each in failing), log.append(failing[0]))
        await worker.poll(log.append_raw(b"1", b"{", [("type", b"OrderPlaced")]))

        await looked(census)

        found = {
            state: now(worker.service.name, "clinic_dead_letter_rows", state=state)
            for state in ("failed", "waiting", "retrying", "malformed")
        }
        assert found == {"failed": 2, "waiting": 1, "retrying": 0, "malformed": 1}
        assert now(worker.service.name, "clinic_dead_letter_parked_keys") == 2
        async with database.session() as session:
            await session.execute("insert into seat values (9, 100)")
        await worker.redriver.redrive_all()
        await looked(census)
        assert now(worker.service.name, "clinic_dead_letter_rows", state="failed") == 0
        assert now(worker.service.name, "clinic_dead_letter_parked_keys") == 0


async def test_open_instances_are_seen_by_state(owner: Worker, database: Database) -> None:
    for _ in range(4):
        await owner.command(PlaceOrder(seat_id=1, quantity=1))
    ((late,), (stuck,), (ended,), _) = await rows(database, 'select order_id from "order" order by order_id')
    async with database.session() as session:
        await session.execute(
            "update clinic_lib.saga set deadline_at = now() - interval '1 s' where key = $1",
            f"order_id:{late}",
        )
    await DeadlineTimer(owner.executor).fire()
    notice = notices_of(shop.OrderPlaced)[0]
    is_stuck = notice(
        order_id=stuck,
        service="seat",
        handler="reserve",
        message_type="OrderPlaced",
        error="ValueError",
        message_id="019f0000-0000-7000-8000-000000000001",
    )
    log = Log()
    await owner.poll(log.append(is_stuck))
    await owner.command(shop.CancelOrder(order_id=ended, reason="late"), f"order_id:{ended}")

    async with counting(owner):
        found = {
            state: now(owner.service.name, "clinic_saga_instances", saga="purchase", state=state)
            for state in ("running", "overdue", "stuck")
        }

    assert found == {"running": 1, "overdue": 1, "stuck": 1}


async def test_rows_are_counted_by_every_value_also_by_those_that_no_row_has(database: Database) -> None:
    async with database.session() as session:
        await session.execute("create type size as enum ('SMALL', 'LARGE')")
        await session.execute('create table "bill of the shop" (bill_id bigint, status text, size size)')
        await session.execute(
            "insert into \"bill of the shop\" values (1, 'open', null), (2, 'open', 'SMALL'), (3, 'frozen', null)"
        )
    worker = Worker(shop.page_service, database)
    census = Census(worker.executor.service, database, [], GAUGES, seconds=SECONDS)
    task = asyncio.create_task(census.run())
    await looked(census)
    task.cancel()

    def counted(column: str, *values: str) -> list[float]:
        where = {"view": "bill of the shop", "column": column}
        return [now(worker.service.name, "clinic_view_rows", value=each, **where) for each in values]

    assert counted("status", "open", "paid", "void", "other") == [2, 0, 0, 1]
    assert counted("size", "SMALL", "LARGE", "none", "other") == [1, 0, 2, 0]


async def test_while_the_database_is_away_the_figures_stay_and_grow_old_and_it_is_said_once(
    owner: Worker, database: Database, other_database: Database, caplog: pytest.LogCaptureFixture
) -> None:
    await owner.command(PlaceOrder(seat_id=1, quantity=1))
    async with counting(owner, database=other_database) as census:
        with caplog.at_level(logging.WARNING, "clinic_lib.census"):
            async with database.session() as session:
                await session.execute("alter table clinic_lib.outbox rename to outbox_away")
            await asyncio.sleep(1)

        assert now(owner.service.name, "clinic_outbox_rows") == 1
        assert now(owner.service.name, "clinic_census_age_seconds") > 0.5
        assert len([each for each in caplog.records if each.name == "clinic_lib.census"]) == 1
        async with database.session() as session:
            await session.execute("alter table clinic_lib.outbox_away rename to outbox")
        await looked(census)
        assert now(owner.service.name, "clinic_census_age_seconds") < 0.5


async def test_a_look_that_takes_long_makes_the_next_one_later(owner: Worker, database: Database) -> None:
    async with counting(owner) as census:
        async with database.transaction() as held:
            await held.execute("lock table clinic_lib.outbox in access exclusive mode")
            await until(lambda: census.age() > 3)
        await until(lambda: census.age() < 1)
        await asyncio.sleep(2)

        assert census.age() > 1.9


async def until(holds: Callable[[], bool]) -> None:
    async with asyncio.timeout(10):
        while not holds():
            await asyncio.sleep(0.01)


async def test_only_indexes_are_read_however_many_instances_have_ended(database: Database) -> None:
    async with database.session() as session:
        await session.execute(
            "insert into clinic_lib.saga (saga, key, subject, state, started_at, ended_at, message_id,"
            " correlation_id, started_version, stuck) select 'purchase', i::text, i::text, 'completed', now(),"
            " now(), gen_random_uuid(), gen_random_uuid(), 1, '{}' from generate_series(1, 20000) i"
        )
        await session.execute("analyze clinic_lib.saga")
        plan = "\n".join(row[0] for row in await session.fetch(f"explain {COUNT}"))

    assert "Seq Scan on saga" not in plan, plan
