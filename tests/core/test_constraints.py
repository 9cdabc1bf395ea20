"""What a table refuses: PostgreSQL and the simulation are asked the same, and give the same answer."""

from collections.abc import Sequence
from datetime import UTC, date, datetime
from decimal import Decimal
from enum import StrEnum
from typing import Any

import pytest
from sqlalchemy import CheckConstraint, DateTime, Enum, ForeignKey, Numeric
from sqlalchemy.exc import DBAPIError
from sqlalchemy.orm import DeclarativeBase, Mapped, MappedAsDataclass, mapped_column
from sqlalchemy.schema import CreateTable, DropTable

from clinic_lib.rows import row_table
from clinic_lib.storage import Database, Storage
from clinic_lib.testing.simulation.clock import Clock
from clinic_lib.testing.simulation.constraints import constraints_of
from clinic_lib.testing.simulation.memory import Memory
from clinic_lib.testing.simulation.tables import Tables


class State(StrEnum):
    OPEN = "open"
    CLOSED = "closed"


def an_account(check: Any) -> type:
    """A row of all kinds of columns, with one check."""

    class Base(MappedAsDataclass, DeclarativeBase):
        pass

    class Account(Base):
        __tablename__ = "account"
        __table_args__ = (CheckConstraint(check, name="account_is_right"),)

        account_id: Mapped[int] = mapped_column(primary_key=True)
        amount: Mapped[Decimal | None] = mapped_column(Numeric(12, 2), default=None)
        fee: Mapped[Decimal | None] = mapped_column(Numeric, default=None)
        quantity: Mapped[int | None] = mapped_column(default=None)
        ratio: Mapped[float | None] = mapped_column(default=None)
        owner: Mapped[str | None] = mapped_column(default=None)
        since: Mapped[date | None] = mapped_column(default=None)
        until: Mapped[date | None] = mapped_column(default=None)
        opened_at: Mapped[datetime | None] = mapped_column(DateTime(timezone=True), default=None)
        is_paid: Mapped[bool | None] = mapped_column(default=None)
        state: Mapped[State | None] = mapped_column(
            Enum("open", "closed", name="account_state", native_enum=False), default=None
        )

    return Account


async def outcome(storage: Storage, given: Sequence[Any], changed: Sequence[Any] = ()) -> str:
    """What one statement with these new rows comes to."""
    table = row_table(type(given[0]))
    try:
        async with storage.transaction() as transaction:
            await table.save(transaction, list(map(table.image, changed)), list(map(table.image, given)))
    except Exception as error:  # whatever it is, the other one has to say the same
        cause = error.orig.__cause__ if isinstance(error, DBAPIError) and error.orig else error
        return f"{type(cause).__name__}: {cause}".splitlines()[0]
    return "stored"


async def outcomes(database: Database, row: type, cases: Sequence[Sequence[Any]]) -> list[tuple[str, str]]:
    """Of each case what PostgreSQL and what memory says, both without what came before."""
    table, found = row_table(row), []
    for given in cases:
        async with database.engine.begin() as connection:
            await connection.execute(DropTable(table.table, if_exists=True))
            await connection.execute(CreateTable(table.table))
        memory = Memory(Tables([table], Clock()))
        found.append((await outcome(database, given), await outcome(memory, given)))
    return found


NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)

JUDGED: dict[str, tuple[list[dict[str, Any]], list[dict[str, Any]]]] = {
    "amount <= 100": (
        [{"amount": Decimal(5)}, {"amount": Decimal("100.004")}, {}],
        [{"amount": Decimal("100.01")}],
    ),
    "amount >= 0": ([{"amount": Decimal(0)}], [{"amount": Decimal(-5)}]),
    "fee > 0.1": ([{"fee": Decimal("0.10000000000000000001")}], [{"fee": Decimal("0.1")}]),
    "amount + fee = 0.3": (
        [{"amount": Decimal("0.1"), "fee": Decimal("0.2")}],
        [{"amount": Decimal("0.3"), "fee": Decimal(1)}],
    ),
    "ratio <= 0.1": ([{"ratio": 0.1}], [{"ratio": 0.1000001}]),
    "owner like 'A%_z'": ([{"owner": "Adaz"}, {"owner": "A\nz"}], [{"owner": "adaz"}, {"owner": "Az"}]),
    "owner not like '%.%' and owner <> ''": ([{"owner": "Ada"}], [{"owner": ""}, {"owner": "a.b"}]),
    "length(owner) between 2 and 3": ([{"owner": "日本語"}], [{"owner": "日"}, {"owner": "Adam"}]),
    "state in ('open', 'closed')": ([{"state": State.OPEN}, {"state": "closed"}], [{"state": "OPEN"}]),
    "state <> 'open' or is_paid": (
        [{"state": State.CLOSED}, {"is_paid": True}],
        [{"state": State.OPEN, "is_paid": False}],
    ),
    "not is_paid": ([{"is_paid": False}, {}], [{"is_paid": True}]),
    "is_paid is not true": ([{}, {"is_paid": False}], [{"is_paid": True}]),
    "is_paid = (fee is null)": ([{"is_paid": True}], [{"is_paid": True, "fee": Decimal(1)}]),
    "since < until": (
        [{"since": date(2026, 2, 9), "until": date(2026, 2, 10)}, {"since": NOON.date()}],
        [{"since": NOON.date(), "until": NOON.date()}],
    ),
    "since >= '2026-01-31'": ([{"since": date(2026, 1, 31)}], [{"since": date(2025, 12, 31)}]),
    "opened_at > '2026-03-01T13:00:00+02:00'": (
        [{"opened_at": NOON}],
        [{"opened_at": datetime(2026, 3, 1, 11, tzinfo=UTC)}],
    ),
    "quantity*-2 >= -(4+2)": ([{"quantity": 3}], [{"quantity": 4}]),
    "quantity < 0 or quantity > 5 and fee > 1": (
        [{"quantity": -1, "fee": Decimal(0)}],
        [{"quantity": 6, "fee": Decimal(1)}],
    ),
    "(quantity < 0 or quantity > 5) and abs(fee) > 1": (
        [{"quantity": 6, "fee": Decimal(-2)}],
        [{"quantity": -1, "fee": Decimal(0)}],
    ),
    "quantity not between 1 and 3 and quantity not in (7, 8)": (
        [{"quantity": 4}],
        [{"quantity": 2}, {"quantity": 8}],
    ),
}
"""Checks, with rows that keep to them and rows that don't."""


@pytest.mark.parametrize("check", JUDGED)
async def test_a_check_is_judged_as_postgresql_judges_it(check: str, database: Database) -> None:
    row, (good, bad) = an_account(check), JUDGED[check]

    found = await outcomes(database, row, [[row(account_id=1, **each)] for each in (*good, *bad)])

    refused = (
        'CheckViolationError: new row for relation "account" violates check constraint "account_is_right"'
    )
    expected = ["stored"] * len(good) + [refused] * len(bad)
    assert found == [(each, each) for each in expected]


async def test_a_check_that_is_written_as_an_expression_is_judged(database: Database) -> None:
    columns = row_table(an_account("true")).table.c
    row = an_account((columns.amount > 5) & columns.owner.in_(["Ada", "Bob"]))

    found = await outcomes(
        database,
        row,
        [
            [row(account_id=1, amount=Decimal(6), owner="Ada")],
            [row(account_id=1, amount=Decimal(5), owner="Ada")],
            [row(account_id=1, amount=Decimal(6), owner="Eve")],
        ],
    )

    assert [one for one, _ in found] == [other for _, other in found]
    assert [one.partition(":")[0] for one, _ in found] == [
        "stored",
        "CheckViolationError",
        "CheckViolationError",
    ]


@pytest.mark.parametrize(
    ("check", "why"),
    [
        ("amount::int > 0", "it says ::int"),
        ("cast(amount as int) > 0", "it calls cast"),
        ("opened_at < now() + interval '1 day'", "it calls now"),
        ("lower(owner) = owner", "it calls lower"),
        ("owner > 'B'", "it compares text by >"),
        ("owner ~ '^A'", "it says ~"),
        ("owner ilike 'a%'", "it says ilike"),
        (r"owner like 'a\%'", r"it says 'a\%'"),
        ("quantity / 2 > 1", "it says /"),
        ("quantity --1\n > 1", "it says --1"),
        ("quantity = '5'", "it compares number with '5'"),
        ("opened_at > '2026-03-01'", "it compares datetime with time zone with datetime"),
        ("is_paid is distinct from true", "it says is distinct"),
        ("quantity >", "it ends too early"),
    ],
)
def test_a_check_that_only_postgresql_can_judge_is_told(check: str, why: str) -> None:
    (found,) = constraints_of(row_table(an_account(check))).not_judged

    assert found == f"check ({check}) of table account can't be judged in memory ({why})"


class Tree(MappedAsDataclass, DeclarativeBase):
    pass


class Node(Tree):
    __tablename__ = "node"

    node_id: Mapped[int] = mapped_column(primary_key=True)
    parent_id: Mapped[int | None] = mapped_column(ForeignKey("node.node_id"), default=None)


class Named(Tree):
    __tablename__ = "named"

    named_id: Mapped[int] = mapped_column(primary_key=True)
    name: Mapped[str] = mapped_column(unique=True)


async def test_what_a_row_refers_to_is_looked_for_at_the_end_of_the_statement(database: Database) -> None:
    found = await outcomes(
        database, Node, [[Node(1, 1)], [Node(1, 2), Node(2)], [Node(1, 2), Node(2, 1)], [Node(1), Node(2, 3)]]
    )

    missing = (
        'ForeignKeyViolationError: insert or update on table "node" violates foreign key constraint '
        '"node_parent_id_fkey"'
    )
    assert found == [(each, each) for each in ["stored", "stored", "stored", missing]]


async def test_a_value_that_an_update_frees_is_still_taken_in_its_statement(database: Database) -> None:
    memory = Memory(Tables([row_table(Named)], Clock()))
    async with database.engine.begin() as connection:
        await connection.execute(CreateTable(row_table(Named).table))

    found = [
        (
            await outcome(storage, [Named(1, "Ada")]),
            await outcome(storage, [Named(2, "Ada")], [Named(1, "Bob")]),
        )
        for storage in (database, memory)
    ]

    taken = 'UniqueViolationError: duplicate key value violates unique constraint "named_name_key"'
    assert found == [("stored", taken)] * 2
