"""A real PostgreSQL for services whose functions write SQL of their own; log, clock and schedule stay the same.

Each service has a database of its own, whose schema `simulated` comes first: the tables are there, and `now()` and
`random()`, which tell the simulation's time and no chance. A scenario finds the tables empty.
"""

import asyncio
from collections.abc import Coroutine, Sequence
from contextlib import AbstractContextManager
from threading import Thread
from types import TracebackType
from typing import Any, TypeVar
from uuid import uuid4

import asyncpg
from sqlalchemy.engine import make_url

from clinic_lib import inbox
from clinic_lib.rows import Image, RowTable
from clinic_lib.schema import migrate
from clinic_lib.storage import SCHEMA, Database
from clinic_lib.testing.simulation.clock import BEGIN, Clock
from clinic_lib.testing.simulation.store import write
from clinic_lib.testing.simulation.tables import Row
from clinic_lib.testing.simulation.wiring import Wiring

__all__ = ["Postgresql"]

T = TypeVar("T")

PREPARE = f"""
create schema simulated;
create table simulated.clock (now timestamptz not null);
insert into simulated.clock values ('{BEGIN.isoformat()}');
create function simulated.now() returns timestamptz stable language sql as 'select now from simulated.clock';
create function simulated.random() returns double precision immutable language sql as 'select 0.5::float8';
"""

EMPTY = """
do $$ declare each record; begin
    for each in select format('%I.%I', n.nspname, c.relname) as name from pg_class c
        join pg_namespace n on n.oid = c.relnamespace
        where c.relkind in ('r', 'p') and not c.relispartition and n.nspname in ('simulated', 'clinic_lib')
            and c.relname <> 'clock'
    loop execute 'delete from ' || each.name; end loop;
    for each in select schemaname, sequencename from pg_sequences loop
        perform setval(format('%I.%I', each.schemaname, each.sequencename)::regclass, 1, false);
    end loop;
end $$
"""


class Postgresql(AbstractContextManager["Postgresql"]):
    """A server, by its URL as `postgresql://user@host:port/postgres`. Its databases are dropped at the end.

    with Postgresql(url) as postgresql:
        scenario = Scenario(payment.service, stores=postgresql.store)
    """

    def __init__(self, url: str) -> None:
        self._url = make_url(url).set(drivername="postgresql")
        self._loop = asyncio.new_event_loop()
        self._thread = Thread(target=self._loop.run_forever, daemon=True)
        self._databases: dict[str, tuple[str, Database]] = {}
        self._thread.start()

    def store(self, wiring: Wiring, clock: Clock) -> "PostgresqlStore":
        """An empty one for a service."""
        if wiring.name not in self._databases:
            self._databases[wiring.name] = self.run(self._make(wiring))
        _, database = self._databases[wiring.name]
        store = PostgresqlStore(self, database, clock)
        store.run(_execute(database, EMPTY))
        return store

    def run(self, work: Coroutine[Any, Any, T]) -> T:
        return asyncio.run_coroutine_threadsafe(work, self._loop).result()

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.run(self._drop())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    async def _make(self, wiring: Wiring) -> tuple[str, Database]:
        name = f"simulated_{uuid4().hex[:12]}"
        await self._ask(f"create database {name}")
        await self._ask(f"alter database {name} set search_path = simulated, pg_catalog")
        await self._ask(f"alter database {name} set synchronous_commit = off")
        database = Database(self._url.set(database=name).render_as_string(False), connections=3)
        async with database.engine.begin() as connection:
            for statement in filter(str.strip, PREPARE.split(";\n")):
                await connection.exec_driver_sql(statement)
        await migrate(database, wiring.metadata)
        await inbox.keep_partitions(database, BEGIN)
        return name, database

    async def _drop(self) -> None:
        for name, database in self._databases.values():
            await database.close()
            await self._ask(f"drop database {name} with (force)")

    async def _ask(self, statement: str) -> None:
        connection = await asyncpg.connect(self._url.render_as_string(False))
        try:
            await connection.execute(statement)
        finally:
            await connection.close()


class PostgresqlStore:
    """One service's database, at the time of the simulation."""

    def __init__(self, server: Postgresql, database: Database, clock: Clock) -> None:
        self.storage = database
        self._server = server
        self._clock = clock
        self._read: dict[str, Sequence[Row]] = {}

    def run(self, work: Coroutine[Any, Any, T]) -> T:
        self._read.clear()
        return self._server.run(self._at_this_time(work))

    async def _at_this_time(self, work: Coroutine[Any, Any, T]) -> T:
        await _execute(self.storage, "update simulated.clock set now = $1", self._clock.now())
        return await work

    def put(self, table: RowTable, image: Image) -> None:
        """Write a new row, and have ids drawn behind it as in memory."""
        self.run(write(self.storage, table, image))
        if table.table.autoincrement_column is not None:
            sequence = f"pg_get_serial_sequence('{table.sql_name}', '{table.id_column}')"
            last = (
                f"greatest(max({table.columns[table.key[0]]}), pg_sequence_last_value({sequence}::regclass))"
            )
            statement = f"select setval({sequence}, {last}) from {table.sql_name} having {last} > 0"
            self._server.run(_execute(self.storage, statement))

    def library(self, table: str) -> Sequence[Row]:
        """Asked once between two pieces of work: nobody else writes there."""
        if table not in self._read:
            self._read[table] = [dict(row) for row in self._fetch(f"select * from {SCHEMA}.{table}")]
        return self._read[table]

    def images(self, table: RowTable) -> Sequence[Image]:
        statement = f"select {table.selected} from {table.sql_name} order by {table.key_list}"
        return [tuple(row) for row in self._fetch(statement)]

    def picture(self) -> dict[str, dict[Image, Image]]:
        return {}

    def _fetch(self, statement: str) -> Sequence[Any]:
        async def fetch() -> Sequence[Any]:
            async with self.storage.session() as session:
                return await session.fetch(statement)

        return self._server.run(fetch())


async def _execute(database: Database, statement: str, *arguments: object) -> None:
    async with database.session() as session:
        await session.execute(statement, *arguments)
