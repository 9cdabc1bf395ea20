"""PostgreSQL: transactions, what a column is, and the errors that pass by themselves.

A transaction is opened on the driver's connection and a handler's `AsyncConnection` is laid over it in
autocommit mode: SQLAlchemy then sends its statements into our transaction and can neither commit nor end it.
"""

import asyncio
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from datetime import datetime
from time import perf_counter
from typing import Any, Generic, Protocol, TypeVar

import asyncpg
from pydantic import BaseModel, ConfigDict
from sqlalchemy import BigInteger, DateTime, MetaData, Text
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.exc import DBAPIError
from sqlalchemy.exc import TimeoutError as PoolTimeoutError
from sqlalchemy.ext.asyncio import AsyncConnection, create_async_engine
from sqlalchemy.pool import QueuePool

from clinic_lib import metrics
from clinic_lib.addresses import address_of
from clinic_lib.arrays import Array
from clinic_lib.errors import TransientError

__all__ = ["COLUMN_TYPES", "LIBRARY", "Database", "NewIds", "Storage", "Transaction", "View"]

RowT = TypeVar("RowT")

SCHEMA = "clinic_lib"
LIBRARY = MetaData(schema=SCHEMA)
"""The library's own tables, in a schema of their own beside the service's."""

COLUMN_TYPES: dict[Any, Any] = {
    int: BigInteger,
    str: Text,
    datetime: DateTime(timezone=True),
    dict[str, object]: JSONB,
    list[dict[str, object]]: JSONB,
    list[str]: JSONB,
}
"""`type_annotation_map` for a service's declarative base: what each annotation is in PostgreSQL."""

BY_KEY = dict.fromkeys(("enable_seqscan", "enable_hashjoin", "enable_mergejoin"), "off")
"""Settings of connections whose statements find rows by their keys. The driver keeps a prepared statement's plan, which
was made while the tables were small: left to itself each batch would read tables whole until the server analyses
them, a minute later. A step's own SQL on the batch's transaction is planned so, too.
"""

TRANSIENT_SQLSTATES = ("08", "25006", "25P03", "25P04", "40", "53", "55P03", "57", "58")
"""Connection, a standby, time limits, rollback by the server, resources, lock not available, operator, system."""


class View(BaseModel):
    """What a query answers: built from a row's attributes; the field `id` is the row's primary key."""

    model_config = ConfigDict(from_attributes=True, frozen=True)


class NewIds(Iterator[int], Generic[RowT]):
    """Ids from the sequence of `Row`'s table: a function asks for `ids: NewIds[Order]`, then `next(ids)`."""

    def __init__(self, ids: list[int]) -> None:
        self._ids = iter(ids)

    def __next__(self) -> int:
        return next(self._ids)


class Transaction(Protocol):
    """One transaction: statements in PostgreSQL's own form (`$1`), and SQLAlchemy for handlers."""

    @property
    def connection(self) -> AsyncConnection: ...

    @property
    def is_lost(self) -> bool:
        """Whether the server has ended it: nothing more can be done in it."""

    async def fetch(self, statement: str, *arguments: object) -> Sequence[Any]:
        """Rows, whose columns are found by their places."""

    async def execute(self, statement: str, *arguments: object) -> None: ...

    def savepoint(self) -> AbstractAsyncContextManager[None]:
        """What is done in it is undone alone when it raises."""


class Storage(Protocol):
    """Where a service's transactions are made: its `Database`, or a simulation's memory."""

    def session(self) -> AbstractAsyncContextManager[Transaction]:
        """Each statement is its own transaction: for reads."""

    def transaction(self) -> AbstractAsyncContextManager[Transaction]:
        """One transaction: committed when the block ends, rolled back when it raises."""


class PostgresqlTransaction:
    """A `Transaction` on a connection of the driver's."""

    def __init__(self, connection: AsyncConnection, driver: "asyncpg.Connection[asyncpg.Record]") -> None:
        self.connection = connection
        self._driver = driver

    @property
    def is_lost(self) -> bool:
        return bool(self._driver.is_closed())

    async def fetch(self, statement: str, *arguments: object) -> list[asyncpg.Record]:
        rows: list[asyncpg.Record] = await self._driver.fetch(statement, *map(_parameter, arguments))
        return rows

    async def execute(self, statement: str, *arguments: object) -> None:
        # `fetch` keeps the statement prepared; the driver's own `execute` parses it every time
        await self.fetch(statement, *arguments)

    @asynccontextmanager
    async def savepoint(self) -> AsyncIterator[None]:
        async with self._driver.transaction():
            yield

    @asynccontextmanager
    async def repeatable_read(self) -> AsyncIterator[None]:
        async with self._driver.transaction(isolation="repeatable_read", readonly=True):
            yield


def _parameter(argument: object) -> object:
    return argument.literal() if isinstance(argument, Array) else argument


class Database:
    """A service's database. Every error that passes by itself leaves as `TransientError`.

    `idle_seconds` bounds how long a paused process may hold its locks; `service` has its waiting measured. Without
    `scans` statements prefer to find rows by their keys, see `BY_KEY`.
    Raises `ConfigurationError` for an address that is none.
    """

    def __init__(
        self,
        url: str,
        *,
        connections: int = 5,
        idle_seconds: int = 10,
        service: str | None = None,
        scans: bool = False,
    ) -> None:
        self._wait = metrics.database_wait.labels(service) if service else None
        self.engine = create_async_engine(
            address_of(url).set(drivername="postgresql+asyncpg"),
            isolation_level="AUTOCOMMIT",
            pool_size=connections,
            max_overflow=0,
            pool_timeout=5,
            pool_use_lifo=True,  # the connection that has its statements planned
            connect_args={
                "timeout": 5,
                "command_timeout": 60,
                "server_settings": {
                    "idle_in_transaction_session_timeout": f"{idle_seconds}s",
                    # the same while the server can't get rid of a large result: that is not idle
                    "tcp_user_timeout": f"{idle_seconds}s",
                    # those that are rarely used must not be forgotten on the way
                    "tcp_keepalives_idle": "60s",
                    "jit": "off",
                    **({} if scans else BY_KEY),
                },
            },
        )

    @asynccontextmanager
    async def session(self) -> AsyncIterator[PostgresqlTransaction]:
        """A connection on which each statement is its own transaction: for reads."""
        try:
            async with self._connection() as (connection, driver):
                try:
                    yield PostgresqlTransaction(connection, driver)
                except (asyncio.CancelledError, TimeoutError):
                    # nobody waits for the statement's answer any more: it may still begin a transaction
                    await connection.invalidate()
                    raise
                finally:
                    if driver.is_closed() or driver.is_in_transaction():
                        await connection.invalidate()
        except Exception as exc:
            if not is_transient(exc):
                raise
            raise TransientError(f"{type(exc).__name__}: {exc}") from exc

    @asynccontextmanager
    async def _connection(
        self,
    ) -> "AsyncIterator[tuple[AsyncConnection, asyncpg.Connection[asyncpg.Record]]]":
        """One of the pool, and the time that it took, also in vain."""
        asked, waits = perf_counter(), self._wait
        try:
            async with self.engine.connect() as connection:
                driver = await _open_driver(connection)
                if waits:
                    waits.observe(perf_counter() - asked)
                waits = None
                yield connection, driver
        finally:
            if waits:
                waits.observe(perf_counter() - asked)

    @asynccontextmanager
    async def transaction(self) -> AsyncIterator[PostgresqlTransaction]:
        """One transaction: committed when the block ends, rolled back when it raises."""
        async with self.session() as session, session.savepoint():
            yield session

    @asynccontextmanager
    async def snapshot(self) -> AsyncIterator[PostgresqlTransaction]:
        """Reads that belong together: every statement sees the database at one moment."""
        async with self.session() as session, session.repeatable_read():
            yield session

    def connections(self) -> tuple[int, int]:
        """How many of the pool's connections are used, and how many are idle."""
        pool = self.engine.pool
        assert isinstance(pool, QueuePool)
        return pool.checkedout(), pool.checkedin()

    async def close(self) -> None:
        await self.engine.dispose()


async def _open_driver(connection: AsyncConnection) -> "asyncpg.Connection[asyncpg.Record]":
    """The driver's connection, a new one when the server has closed the pooled one meanwhile."""
    while True:
        driver = (await connection.get_raw_connection()).driver_connection
        assert driver is not None
        if not driver.is_closed():
            return driver
        await connection.invalidate()


def is_transient(error: BaseException) -> bool:
    """Whether the same work may succeed when it is repeated: the fault is the server's, or the way's to it."""
    if isinstance(error, DBAPIError):  # over the adapter's error, over the driver's
        cause = error.orig and error.orig.__cause__
        return error.connection_invalidated or (cause is not None and is_transient(cause))
    if isinstance(error, asyncpg.PostgresError):
        return str(error.sqlstate).startswith(TRANSIENT_SQLSTATES)
    if isinstance(error, asyncpg.InterfaceError):  # most are mistakes of the caller
        return "closed" in str(error) or "released" in str(error)
    # the driver loses its place when its connection ends between two messages: InternalClientError
    return isinstance(error, OSError | TimeoutError | PoolTimeoutError | asyncpg.InternalClientError)


def is_from_database(error: BaseException) -> bool:
    """Whether the driver raised it, or SQLAlchemy over it; not a function's own `OSError`."""
    return isinstance(
        error, asyncpg.PostgresError | asyncpg.InterfaceError | asyncpg.InternalClientError | DBAPIError
    )
