"""A fresh database for each test, copied from one that has the shop's tables."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import AsyncExitStack
from datetime import UTC, datetime
from uuid import uuid4

import asyncpg
import pytest
from sqlalchemy.engine import make_url

from clinic_lib import inbox
from clinic_lib.schema import migrate
from clinic_lib.storage import Database
from tests.core.shop import Base

NewDatabase = Callable[[], Awaitable[str]]


@pytest.fixture(scope="session")
def template(postgresql_url: str) -> Iterator[str]:
    """The name of a database with the library's and the shop's tables, to be copied."""
    name = f"shop_template_{uuid4().hex[:8]}"
    with asyncio.Runner() as runner:
        runner.run(_execute(postgresql_url, f"create database {name}"))
        runner.run(_prepare(_address(postgresql_url, name)))
        yield name
        runner.run(_execute(postgresql_url, f"drop database {name} with (force)"))


@pytest.fixture
async def new_database_url(postgresql_url: str) -> AsyncIterator[NewDatabase]:
    """Makes empty databases; they are dropped after the test."""
    async with AsyncExitStack() as stack:

        async def new() -> str:
            name = f"shop_{uuid4().hex[:12]}"
            await _execute(postgresql_url, f"create database {name}")
            stack.push_async_callback(
                _execute, postgresql_url, f"drop database if exists {name} with (force)"
            )
            return _address(postgresql_url, name)

        yield new


@pytest.fixture
async def database_url(postgresql_url: str, template: str) -> AsyncIterator[str]:
    """A database of this test's own, with all tables."""
    name = f"shop_{uuid4().hex[:12]}"
    await _execute(postgresql_url, f"create database {name} template {template}")
    yield _address(postgresql_url, name)
    await _execute(postgresql_url, f"drop database if exists {name} with (force)")


@pytest.fixture
async def database(database_url: str) -> AsyncIterator[Database]:
    database = Database(database_url)
    yield database
    await database.close()


@pytest.fixture
async def other_database(database_url: str) -> AsyncIterator[Database]:
    """The same database as another process of the service has it."""
    database = Database(database_url)
    yield database
    await database.close()


@pytest.fixture
async def elsewhere(postgresql_url: str, template: str) -> AsyncIterator[Database]:
    """The database of another service."""
    name = f"shop_{uuid4().hex[:12]}"
    await _execute(postgresql_url, f"create database {name} template {template}")
    database = Database(_address(postgresql_url, name))
    yield database
    await database.close()
    await _execute(postgresql_url, f"drop database if exists {name} with (force)")


def _address(server: str, name: str) -> str:
    return make_url(server).set(database=name).render_as_string(False)


async def _execute(url: str, statement: str) -> None:
    connection = await asyncpg.connect(url)
    try:
        await connection.execute(statement)
    finally:
        await connection.close()


async def _prepare(url: str) -> None:
    database = Database(url)
    await migrate(database, [Base.metadata])
    await inbox.keep_partitions(database, datetime.now(UTC))
    await database.close()
