"""Plans that are made while tables are empty, and kept while they grow: rows are found by their keys."""

import re

import pytest
from sqlalchemy.orm import configure_mappers

from clinic_lib import compensation, inbox, instances, outbox
from clinic_lib.rows import row_table
from clinic_lib.storage import Database
from tests.core.shop import MyPage

configure_mappers()

STATEMENTS = {
    "outbox": outbox.INSERT,
    "inbox": inbox.RECEIVE,
    "sagas": instances.CHANGE,
    "compensations": compensation.SAVE,
    "rows": row_table(MyPage).saving(),
    "rows by key": row_table(MyPage).loading(("order_id",)),
}
READ_WHOLE = re.compile(r"Seq Scan on (outbox|inbox_\d+|saga|barrier|my_page)\b|(Hash|Merge) [\w ]*Join")


async def plan(database: Database, statement: str) -> str:
    """The one that the server keeps for a prepared statement, whatever its parameters."""
    places = max(int(number) for number in re.findall(r"\$(\d+)", statement))
    async with database.engine.connect() as connection:
        driver = (await connection.get_raw_connection()).driver_connection
        assert driver is not None
        await driver.execute("set plan_cache_mode = force_generic_plan")
        await driver.execute(f"prepare statement as {statement}")
        lines = await driver.fetch(f"explain execute statement ({', '.join(['null'] * places)})")
        await driver.execute("deallocate statement; reset plan_cache_mode")
    return "\n".join(line[0] for line in lines)


@pytest.mark.parametrize("name", STATEMENTS)
async def test_rows_are_found_by_their_keys_while_tables_are_empty(name: str, database: Database) -> None:
    assert not READ_WHOLE.search(found := await plan(database, STATEMENTS[name])), found


@pytest.mark.parametrize("name", ["outbox", "sagas"])
async def test_the_server_by_itself_would_read_them_whole(name: str, database_url: str) -> None:
    database = Database(database_url, connections=1, scans=True)

    found = await plan(database, STATEMENTS[name])

    await database.close()
    assert READ_WHOLE.search(found), found
