"""Constraints of a table in memory: what PostgreSQL would refuse, as its driver says it.

From SQLAlchemy's metadata: not null, primary key, unique, foreign keys, and checks. What only PostgreSQL can tell is
never passed over: `not_judged` says it before anything runs.
"""

from collections.abc import Callable, Iterable, Mapping
from functools import cache
from typing import Any

import asyncpg
from sqlalchemy import (
    CheckConstraint,
    Column,
    Constraint,
    ForeignKeyConstraint,
    Index,
    PrimaryKeyConstraint,
    Table,
    UniqueConstraint,
)

from clinic_lib.rows import DIALECT, Image, RowTable
from clinic_lib.testing.simulation.checks import judge
from clinic_lib.testing.simulation.terms import Judge, NotJudgedError

__all__ = ["constraints_of"]

Lookup = Callable[[Table], Mapping[Image, Image]]
"""The images of a table, by their keys."""

NULLS = "postgresql_nulls_not_distinct"
SQL = DIALECT.statement_compiler(DIALECT, None)
"""Says a check as `create table` does."""


@cache
def constraints_of(table: RowTable) -> "Constraints":
    return Constraints(table)


class Constraints:
    """What the rows of one table have to keep to. `not_judged` is what of it can't be told here."""

    def __init__(self, table: RowTable) -> None:
        self._name = table.table.name
        self._columns = list(table.table.columns)
        self._not_null = [n for n, column in enumerate(self._columns) if not column.nullable]
        self._unique: list[tuple[str, list[int]]] = []
        self._foreign: list[tuple[str, list[int], Table, list[int]]] = []
        self._checks: list[tuple[str, Judge]] = []
        self.not_judged: list[str] = []
        for each in sorted(table.table.constraints, key=lambda each: str(each.name)):
            self._take(each)
        for index in sorted(table.table.indexes, key=lambda each: str(each.name)):
            if index.unique and _is_plain(index):
                self._unique.append((str(index.name), self._places(index.columns)))
            elif index.unique:
                self._refuse(f"index {index.name}", "it is unique for some rows or values alone")

    def _take(self, each: Constraint) -> None:
        if each.initially and each.initially.lower() == "deferred":
            self._refuse(f"constraint {each.name}", "it waits for the end of the transaction")
        elif isinstance(each, UniqueConstraint) and each.dialect_kwargs.get(NULLS):
            self._refuse(f"constraint {each.name}", "it takes nulls for equal")
        elif isinstance(each, UniqueConstraint):
            name = f"{self._name}_{'_'.join(column.name for column in each.columns)}_key"
            self._unique.append((str(each.name or name), self._places(each.columns)))
        elif isinstance(each, ForeignKeyConstraint):
            other = list(each.referred_table.columns)
            referred = [other.index(element.column) for element in each.elements]
            name = str(each.name or f"{self._name}_{'_'.join(each.column_keys)}_fkey")
            self._foreign.append((name, self._places(each.columns), each.referred_table, referred))
        elif isinstance(each, CheckConstraint):
            self._take_check(each)
        elif not isinstance(each, PrimaryKeyConstraint):
            self._refuse(f"constraint {each.name}", f"it is {type(each).__name__}")

    def _take_check(self, each: CheckConstraint) -> None:
        condition = SQL.process(each.sqltext, include_table=False, literal_binds=True)
        name = each.name if isinstance(each.name, str) else f"{self._name}_check"
        try:
            self._checks.append((name, judge(condition, self._columns)))
        except NotJudgedError as error:
            self._refuse(f"check ({condition})", str(error))

    def _refuse(self, what: str, why: str) -> None:
        self.not_judged.append(f"{what} of table {self._name} can't be judged in memory ({why})")

    def _places(self, columns: Iterable[Column[Any]]) -> list[int]:
        return [self._columns.index(column) for column in columns]

    def check(self, image: Image, others: Mapping[Image, Image]) -> None:
        """Raises the driver's error when the row may not stand beside `others`."""
        name = self._name
        for place in self._not_null:
            if image[place] is None:
                raise asyncpg.NotNullViolationError(
                    f'null value in column "{self._columns[place].name}" of relation "{name}" '
                    "violates not-null constraint"
                )
        for check, condition in self._checks:
            if condition(image) is False:
                raise asyncpg.CheckViolationError(
                    f'new row for relation "{name}" violates check constraint "{check}"'
                )
        for unique, places in self._unique:
            values = [image[place] for place in places]
            if None not in values and any(
                values == [each[place] for place in places] for each in others.values()
            ):
                raise duplicate(unique)

    def check_references(self, image: Image, lookup: Lookup) -> None:
        """Raises the driver's error when the row refers to one that isn't there."""
        for foreign, places, table, referred in self._foreign:
            values = [image[place] for place in places]
            if None not in values and not any(
                values == [each[place] for place in referred] for each in lookup(table).values()
            ):
                raise asyncpg.ForeignKeyViolationError(
                    f'insert or update on table "{self._name}" violates foreign key constraint "{foreign}"'
                )


def _is_plain(index: Index) -> bool:
    """Whether it holds for all rows, and for values as they are."""
    options = ("postgresql_where", NULLS)
    return all(isinstance(each, Column) for each in index.expressions) and not any(
        index.dialect_kwargs.get(each) is not None for each in options
    )


def duplicate(constraint: str) -> Exception:
    """What PostgreSQL says of a second row with the same key."""
    error: Exception = asyncpg.UniqueViolationError(
        f'duplicate key value violates unique constraint "{constraint}"'
    )
    return error
