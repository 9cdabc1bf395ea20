"""Tables follow the metadata: what only adds is applied, anything else is refused."""

import asyncio
import sys
from pathlib import Path

import pytest
from asyncpg.connection import LoggedQuery
from sqlalchemy import BigInteger, Column, Index, MetaData, String, Table, Text, UniqueConstraint

from clinic_lib.errors import ConfigurationError, TransientError
from clinic_lib.schema import migrate
from clinic_lib.storage import Database
from tests.core.conftest import NewDatabase
from tests.core.shop import Base
from tests.core.worker import rows

ROOT = Path(__file__).parents[2]
CREATE = """
import asyncio, sys
from datetime import UTC, datetime
from clinic_lib import inbox
from clinic_lib.schema import migrate
from clinic_lib.storage import Database
from tests.core.shop import Base

async def main():
    database = Database(sys.argv[1])
    await migrate(database, [Base.metadata])
    await inbox.keep_partitions(database, datetime.now(UTC))
    await database.close()

asyncio.run(main())
"""


def guests(*further: Column[object] | UniqueConstraint, name: type[Text] | String = Text) -> MetaData:
    metadata = MetaData()
    Table("guest", metadata, Column("guest_id", BigInteger, primary_key=True), Column("name", name), *further)
    return metadata


async def columns(database: Database, table: str) -> list[str]:
    found = await rows(
        database,
        "select column_name::text from information_schema.columns where table_name = $1 order by ordinal_position",
        table,
    )
    return [name for (name,) in found]


async def test_two_processes_at_once_make_all_tables_from_nothing(new_database_url: NewDatabase) -> None:
    url = await new_database_url()

    processes = [
        await asyncio.create_subprocess_exec(sys.executable, "-c", CREATE, url, cwd=ROOT) for _ in range(2)
    ]

    assert [await process.wait() for process in processes] == [0, 0]
    database = Database(url)
    assert await columns(database, "seat") == ["seat_id", "free", "name"]
    assert await columns(database, "outbox") == [
        *("id", "message_id", "topic", "aggregatetype", "aggregateid", "type", "payload", "created_at")
    ]
    await database.close()


async def test_a_second_migration_changes_nothing(database_url: str) -> None:
    database = Database(database_url, connections=1)
    statements: list[str] = []

    def note(query: LoggedQuery) -> None:
        statements.append(query.query.strip().lower())

    async with database.engine.connect() as connection:
        driver = (await connection.get_raw_connection()).driver_connection
        assert driver is not None
        driver.add_query_logger(note)

    await migrate(database, [Base.metadata])

    driver.remove_query_logger(note)
    changing = [each for each in statements if each.startswith(("create", "alter", "drop", "comment"))]
    assert statements
    assert [each for each in changing if not each.startswith("create schema if not exists")] == []
    await database.close()


async def test_a_nullable_column_is_added(database: Database) -> None:
    await migrate(database, [guests()])
    async with database.session() as session:
        await session.execute("insert into guest values (1, 'Ada')")

    await migrate(database, [guests(Column("phone", Text))])

    assert await rows(database, "select * from guest") == [(1, "Ada", None)]


async def test_a_column_with_a_default_of_the_server_is_added(database: Database) -> None:
    await migrate(database, [guests()])
    async with database.session() as session:
        await session.execute("insert into guest values (1, 'Ada')")

    await migrate(database, [guests(Column("visits", BigInteger, nullable=False, server_default="0"))])

    assert await rows(database, "select * from guest") == [(1, "Ada", 0)]


async def test_an_index_is_added(database: Database) -> None:
    await migrate(database, [guests()])
    metadata = guests()
    Index("guest_name", metadata.tables["guest"].c.name)

    await migrate(database, [metadata])

    assert await rows(database, "select indexname::text from pg_indexes where indexname = 'guest_name'")


async def test_a_change_of_type_is_refused_and_named(database: Database) -> None:
    await migrate(database, [guests()])
    metadata = MetaData()
    Table("guest", metadata, Column("guest_id", BigInteger, primary_key=True), Column("name", BigInteger))

    with pytest.raises(ConfigurationError, match=r"guest.*name"):
        await migrate(database, [metadata])


async def test_a_column_that_old_code_cannot_live_with_is_refused(database: Database) -> None:
    await migrate(database, [guests()])

    with pytest.raises(ConfigurationError, match="phone"):
        await migrate(database, [guests(Column("phone", Text, nullable=False))])

    assert await columns(database, "guest") == ["guest_id", "name"]


async def test_of_a_refused_migration_nothing_is_applied(database: Database) -> None:
    await migrate(database, [guests()])
    metadata = guests(Column("phone", Text, nullable=False), Column("fax", Text))

    with pytest.raises(ConfigurationError):
        await migrate(database, [metadata])

    assert await columns(database, "guest") == ["guest_id", "name"]


async def test_what_the_metadata_lacks_stays(database: Database) -> None:
    await migrate(database, [guests(Column("phone", Text))])

    await migrate(database, [guests()])
    await migrate(database, [MetaData()])

    assert await columns(database, "guest") == ["guest_id", "name", "phone"]


async def test_a_table_of_somebody_else_is_left_alone(database: Database) -> None:
    async with database.session() as session:
        await session.execute("create table theirs (id text)")

    await migrate(database, [guests()])

    assert await columns(database, "theirs") == ["id"]


async def test_a_database_that_is_away_is_passing_trouble() -> None:
    database = Database("postgresql://nobody@127.0.0.1:9/none")

    with pytest.raises(TransientError):
        await migrate(database, [Base.metadata])

    await database.close()


@pytest.mark.parametrize("address", ["", "seat", "//x"])
def test_an_address_that_is_none_is_named(address: str) -> None:
    with pytest.raises(ConfigurationError, match="DATABASE_URL"):
        Database(address)
