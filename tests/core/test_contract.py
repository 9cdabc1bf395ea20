"""The executor keeps its contract on PostgreSQL and in the simulation alike: they answer the same tests."""

from collections.abc import Sequence
from datetime import timedelta
from typing import Any

import pytest

from clinic_lib.rows import row_table
from clinic_lib.schema import migrate
from clinic_lib.service import Service
from clinic_lib.storage import Database, Storage
from clinic_lib.testing.simulation.clock import Clock
from clinic_lib.testing.simulation.memory import Memory
from clinic_lib.testing.simulation.tables import Tables
from tests.core.contract import ExecutorContract, Note
from tests.core.shop import Base, MyPage, Order, Seat
from tests.core.worker import Worker, rows

ROWS: Sequence[type] = (Seat, Order, MyPage, Note)


async def put(storage: Storage, given: Sequence[Any]) -> None:
    async with storage.transaction() as transaction:
        for each in given:
            table = row_table(type(each))
            await table.save(transaction, [], [table.image(each)])


class OnPostgresql:
    """A real database."""

    def __init__(self, database: Database) -> None:
        self.storage = database

    def worker(self, service: Service) -> Worker:
        return Worker(service, self.storage)

    async def put(self, *rows: Any) -> None:
        await put(self.storage, rows)

    async def rows(self, row: type) -> list[Any]:
        table = row_table(row)
        statement = f"select {table.selected} from {table.sql_name} order by {table.key_list}"
        return [table.make(each) for each in await rows(self.storage, statement)]

    async def library(self, table: str, *columns: str) -> list[tuple[Any, ...]]:
        order = {"barrier": "place", "inbox": "1"}.get(table, "id")
        return await rows(
            self.storage, f"select {', '.join(columns)} from clinic_lib.{table} order by {order}"
        )

    async def let_time_pass(self) -> None:
        async with self.storage.session() as session:
            await session.execute("update clinic_lib.saga set deadline_at = deadline_at - interval '1 hour'")
            await session.execute("update clinic_lib.dead_letter set retry_at = retry_at - interval '1 hour'")


class InMemory:
    """The simulation's tables and clock."""

    def __init__(self) -> None:
        self.clock = Clock()
        self.tables = Tables([row_table(each) for each in ROWS], self.clock)
        self.storage = Memory(self.tables)

    def worker(self, service: Service) -> Worker:
        worker = Worker(service, self.storage)
        worker.executor.plan.now = self.clock.now
        return worker

    async def put(self, *rows: Any) -> None:
        await put(self.storage, rows)

    async def rows(self, row: type) -> list[Any]:
        table = row_table(row)
        return [table.make(image) for _, image in sorted(self.tables.rows[table.sql_name].items())]

    async def library(self, table: str, *columns: str) -> list[tuple[Any, ...]]:
        found = getattr(self.tables, table).values()
        return [tuple(row[name] for name in columns) for row in found]

    async def let_time_pass(self) -> None:
        self.clock.pass_by(timedelta(hours=1))


class TestOnPostgresql(ExecutorContract):
    @pytest.fixture
    async def ground(self, database: Database) -> OnPostgresql:
        await migrate(database, [Base.metadata])
        return OnPostgresql(database)


class TestInMemory(ExecutorContract):
    @pytest.fixture
    def ground(self) -> InMemory:
        return InMemory()
