"""Plans that are made while tables are empty, and kept while they grow: rows are found by their keys."""

import re
from collections.abc import Iterator
from typing import Any

import pytest
from sqlalchemy.orm import Mapped, configure_mappers, mapped_column

from clinic_lib import outbox
from clinic_lib.rows import row_table
from clinic_lib.storage import Database
from clinic_lib.testing.simulation.memory import ANSWERED
from clinic_lib.testing.simulation.statements import ANSWERS
from tests.core.shop import Base, MyPage


class Line(Base):
    """Of a table with a key of two columns, whose first one finds several rows."""

    __tablename__ = "line"

    order_id: Mapped[int] = mapped_column(primary_key=True)
    number: Mapped[int] = mapped_column(primary_key=True)
    text: Mapped[str]


configure_mappers()

assert ANSWERED, (
    "whose import fills `ANSWERS`: every statement that the library sends while it handles messages"
)
STATEMENTS = {
    answer.__name__: statement
    for statement, answer in ANSWERS.items()
    if statement != outbox.OVERDUE  # it reads what is left in the outbox, in its order
} | {
    "rows": row_table(MyPage).saving(),
    "rows by key": row_table(MyPage).loading(("order_id",)),
    "rows by two columns": row_table(Line).loading(("order_id", "number")),
    "rows of one": row_table(Line).loading(("order_id",)),
    "rows by two columns, and rows of one": row_table(Line).loading(("order_id",), ("order_id", "number")),
}


def nodes(plan: dict[str, Any]) -> Iterator[dict[str, Any]]:
    yield plan
    for each in plan.get("Plans", ()):
        yield from nodes(each)


def read_whole(plan: dict[str, Any]) -> list[str]:
    """What the plan reads without being told by an index where to look."""
    return [
        f"{each['Node Type']} {each.get('Relation Name', '')}".strip()
        for each in nodes(plan)
        if each["Node Type"] in ("Hash Join", "Merge Join", "Seq Scan")
        or (
            each["Node Type"] in ("Index Scan", "Index Only Scan", "Bitmap Index Scan")
            and "Index Cond" not in each
        )
    ]


async def plan(database: Database, statement: str) -> dict[str, Any]:
    """The one that the server keeps for a prepared statement, whatever its parameters."""
    places = max((int(number) for number in re.findall(r"\$(\d+)", statement)), default=0)
    given = f" ({', '.join(['null'] * places)})" if places else ""
    async with database.engine.connect() as connection:
        driver = (await connection.get_raw_connection()).driver_connection
        assert driver is not None
        await driver.execute("set plan_cache_mode = force_generic_plan")
        await driver.execute(f"prepare statement as {statement}")
        found = await driver.fetchval(f"explain (format json) execute statement{given}")
        await driver.execute("deallocate statement; reset plan_cache_mode")
    whole: dict[str, Any] = found[0]["Plan"]
    return whole


@pytest.mark.parametrize("name", STATEMENTS)
async def test_rows_are_found_by_their_keys_while_tables_are_empty(name: str, database: Database) -> None:
    assert not read_whole(await plan(database, STATEMENTS[name]))


@pytest.mark.parametrize("name", ["publish", "change"])
async def test_the_server_by_itself_would_read_them_whole(name: str, database_url: str) -> None:
    database = Database(database_url, connections=1, scans=True)

    found = read_whole(await plan(database, STATEMENTS[name]))

    await database.close()
    assert found
