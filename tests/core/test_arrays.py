"""What travels as an array's literal arrives as it was given, or is refused."""

import dataclasses
from datetime import UTC, date, datetime, timedelta, timezone
from decimal import Decimal
from enum import IntEnum, StrEnum
from typing import Any
from uuid import UUID, uuid4

import pytest

from clinic_lib.arrays import Array, any_of, kind_of
from clinic_lib.messages import new_message_id
from clinic_lib.rows import row_table
from clinic_lib.storage import Database
from tests.core.shop import MyPage, Seat

NOON = datetime(2026, 3, 1, 12, 0, 0, 123456, tzinfo=UTC)
BERLIN_1890 = timezone(timedelta(minutes=53, seconds=28))


class Size(IntEnum):
    LARGE = 3


class Status(StrEnum):
    OPEN = "open"


class Later(datetime):
    pass


class Plain(str):
    __slots__ = ()


GIVEN: dict[str, list[Any]] = {
    "text": [
        *("", " ", "null", "NULL", "{}", "{a,b}", ",", "a,b", '"', "\\", '\\"', "\\n", "it's", "ä€😀"),
        *("a\nb", "\t\r\b\f", "\x01\x1f\x7f", '\\\n"', "\\\\\n\\u0001", '{"a": "b\\n"}', None),
        *(Status.OPEN, Plain("plain")),
    ],
    "bigint": [0, -1, 2**63 - 1, -(2**63), None, True, 3.0, Decimal(4), Size.LARGE],
    "integer": [1, None],
    "boolean": [True, False, None],
    "uuid": [new_message_id(), UUID(int=1), None],
    "date": [date(1, 1, 2), date(2026, 12, 31), None, date.max, date.min],
    "timestamptz": [
        *(NOON, None, NOON.astimezone(timezone(timedelta(hours=-5, minutes=30)))),
        *(datetime(1890, 1, 1, tzinfo=BERLIN_1890), Later(2026, 1, 1, tzinfo=UTC)),
        datetime(2026, 7, 1, 12, 0),
    ],
}


@pytest.mark.parametrize("kind", GIVEN)
async def test_values_arrive_as_the_driver_would_send_them(kind: str, database: Database) -> None:
    if kind == "uuid":
        GIVEN[kind].append(str(uuid4()))
    by_driver = [int(each) if type(each) is Decimal else each for each in GIVEN[kind]]
    statement = "select each::text from unnest({}) as each"
    async with database.session() as session:
        rows = await session.fetch(statement.format(f"$1::text::{kind}[]"), Array(kind, GIVEN[kind]))
        expected = await session.fetch(statement.format(f"$1::{kind}[]"), by_driver)

    assert [row[0] for row in rows] == [row[0] for row in expected]


async def test_what_has_no_end_stays_so(database: Database) -> None:
    times = Array("timestamptz", [datetime.max, datetime.max.replace(tzinfo=UTC), datetime.min])
    async with database.session() as session:
        rows = await session.fetch("select each::text from unnest($1::text::timestamptz[]) as each", times)

    assert [row[0] for row in rows] == ["infinity", "infinity", "-infinity"]


async def test_no_values_are_an_empty_array(database: Database) -> None:
    async with database.session() as session:
        assert await session.fetch("select * from unnest($1::text::text[])", Array("text", [])) == []


async def test_any_of_finds_what_is_among_the_values(database: Database) -> None:
    statement = f"select n from generate_series(1, 9) as n where n::text = {any_of(1, 'text')} order by n"
    async with database.session() as session:
        rows = await session.fetch(statement, Array("text", ["3", "5", "no number"]))

    assert [row[0] for row in rows] == [3, 5]


async def test_a_row_s_json_comes_back_as_it_was_saved(database: Database) -> None:
    status = 'say "\\n"\n'
    steps = ['{"a": "b\\\\n"}', "\\", "\n", "ü"]
    table = row_table(MyPage)
    page = MyPage(order_id=1, status=status, steps=steps)

    async with database.transaction() as transaction:
        await table.save(transaction, [], [table.image(page)])
        (found,) = await table.load(transaction, {("order_id",): {(1,)}})

    assert (found.status, found.steps) == (status, steps)


@dataclasses.dataclass
class Thing:
    name: str = "thing"


@pytest.mark.parametrize(
    ("kind", "value"),
    [
        *(("text", value) for value in ([1, 2], [], ("a",), {"a": 1}, Thing(), 1, 1.5, True, NOON, b"a")),
        *(("bigint", value) for value in ("5", 1.5, [1], None.__class__, "tomorrow", b"5")),
        *(("boolean", value) for value in (1, "true")),
        *(("timestamptz", value) for value in ("tomorrow", 0, date(2026, 1, 1), [NOON])),
        *(("date", value) for value in ("2026-01-01", 0)),
        *(("uuid", value) for value in (5, "no id", [UUID(int=1)])),
    ],
)
def test_what_is_not_of_the_kind_is_refused(kind: str, value: object) -> None:
    with pytest.raises((TypeError, ValueError)):
        Array(kind, [value, None])


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_what_is_no_number_is_refused(value: float) -> None:
    with pytest.raises((ValueError, OverflowError)):
        Array("bigint", [value])


@pytest.mark.parametrize(("kind", "value"), [("text", "\ud800"), ("bigint", 2**64)])
def test_what_can_not_be_written_is_refused(kind: str, value: object) -> None:
    with pytest.raises(TypeError):
        Array(kind, [value]).literal()


async def test_a_wrong_value_in_a_row_names_its_column(database: Database) -> None:
    table = row_table(MyPage)
    wrong: Any = ["two", "texts"]
    page = MyPage(order_id=1, status=wrong)

    async with database.transaction() as transaction:
        with pytest.raises(TypeError, match=r"my_page\.status: list is no text"):
            await table.save(transaction, [], [table.image(page)])


async def test_rows_are_not_looked_for_by_a_key_of_another_type(database: Database) -> None:
    async with database.transaction() as transaction:
        with pytest.raises(TypeError, match=r"seat\.seat_id: str is no integer"):
            await row_table(Seat).load(transaction, {("seat_id",): {("5",)}})


async def test_a_nul_is_refused_by_the_server(database: Database) -> None:
    async with database.session() as session:
        with pytest.raises(Exception, match="0x00"):
            await session.fetch("select $1::text::text[]", Array("text", ["a\0b"]))


@pytest.mark.parametrize(
    "kind", ["double precision", "real", "numeric(12, 2)", "bytea", "interval", "state", "charge_state"]
)
def test_other_types_travel_as_the_driver_writes_them(kind: str) -> None:
    assert kind_of(kind) is None


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("TIMESTAMP WITH TIME ZONE", "timestamptz"),
        ("JSONB", "text"),
        ("VARCHAR(20)", "text"),
        ("VARCHAR", "text"),
        ("BIGINT", "bigint"),
    ],
)
def test_a_column_s_type_says_of_which_kind_its_values_are(name: str, kind: str) -> None:
    assert kind_of(name) == kind
