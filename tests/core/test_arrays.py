"""What travels as an array's literal arrives as it was given."""

from datetime import UTC, date, datetime, timedelta, timezone
from typing import Any
from uuid import UUID

import pytest

from clinic_lib.arrays import TRAVELS_AS_TEXT, Array
from clinic_lib.messages import new_message_id
from clinic_lib.rows import row_table
from clinic_lib.storage import Database
from tests.core.shop import MyPage

NOON = datetime(2026, 3, 1, 12, 0, 0, 123456, tzinfo=UTC)

GIVEN: dict[str, list[Any]] = {
    "text": [
        *("", " ", "null", "NULL", "{}", "{a,b}", ",", "a,b", '"', "\\", '\\"', "\\n", "it's", "ä€😀"),
        *("a\nb", "\t\r\b\f", "\x01\x1f\x7f", '\\\n"', '{"a": "b\\n"}', None),
    ],
    "bigint": [0, -1, 2**63 - 1, -(2**63), None],
    "integer": [1, None],
    "boolean": [True, False, None],
    "uuid": [new_message_id(), UUID(int=1), None],
    "date": [date(1, 1, 1), date(2026, 12, 31), None],
    "timestamp with time zone": [NOON, NOON.astimezone(timezone(timedelta(hours=-5, minutes=30))), None],
}


@pytest.mark.parametrize("kind", GIVEN)
async def test_values_arrive_as_they_were_given(kind: str, database: Database) -> None:
    assert TRAVELS_AS_TEXT.fullmatch(kind)
    async with database.session() as session:
        rows = await session.fetch(f"select each from unnest($1::text::{kind}[]) as each", Array(GIVEN[kind]))

    assert [row[0] for row in rows] == GIVEN[kind]


async def test_no_values_are_an_empty_array(database: Database) -> None:
    async with database.session() as session:
        assert await session.fetch("select * from unnest($1::text::text[])", Array()) == []


async def test_a_row_s_json_comes_back_as_it_was_saved(database: Database) -> None:
    status = 'say "\\n"\n'
    steps = ['{"a": "b\\\\n"}', "\\", "\n", "ü"]
    table = row_table(MyPage)
    page = MyPage(order_id=1, status=status, steps=steps)

    async with database.transaction() as transaction:
        await table.save(transaction, [], [table.image(page)])
        (found,) = await table.load(transaction, {("order_id",): {(1,)}})

    assert (found.status, found.steps) == (status, steps)


@pytest.mark.parametrize("value", ["\ud800", object(), 2**64, {1}])
def test_what_has_no_text_is_refused(value: object) -> None:
    with pytest.raises(TypeError):
        Array([value]).literal()


async def test_a_nul_is_refused_by_the_server(database: Database) -> None:
    async with database.session() as session:
        with pytest.raises(Exception, match="0x00"):
            await session.fetch("select $1::text::text[]", Array(["a\0b"]))


@pytest.mark.parametrize("kind", ["double precision", "real", "numeric(12, 2)", "bytea", "interval", "state"])
def test_other_types_travel_as_the_driver_writes_them(kind: str) -> None:
    assert not TRAVELS_AS_TEXT.fullmatch(kind)
