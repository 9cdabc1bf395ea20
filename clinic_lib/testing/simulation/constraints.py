"""Constraints of a table in memory: what PostgreSQL would refuse, as its driver says it.

From SQLAlchemy's metadata: not null, primary key, unique, foreign keys, and checks. A check is SQL, so SQLite is
asked; one that only PostgreSQL can read is not enforced.
"""

import sqlite3
from collections.abc import Callable, Mapping
from functools import cache
from typing import Any

import asyncpg
from sqlalchemy import CheckConstraint, ForeignKeyConstraint, Table, UniqueConstraint

from clinic_lib.rows import Image, RowTable

__all__ = ["constraints_of"]

Lookup = Callable[[Table], Mapping[Image, Image]]
"""The images of a table, by their keys."""


@cache
def constraints_of(table: RowTable) -> "Constraints":
    return Constraints(table)


class Constraints:
    """What the rows of one table have to keep to."""

    def __init__(self, table: RowTable) -> None:
        self._table = table
        self._columns = list(table.table.columns)
        self._not_null = [n for n, column in enumerate(self._columns) if not column.nullable]
        self._unique: list[tuple[str, list[int]]] = []
        self._foreign: list[tuple[str, list[int], Table, list[int]]] = []
        self._checks: list[tuple[str, str]] = []
        self._sqlite = sqlite3.connect(":memory:", check_same_thread=False)
        places = {column.name: n for n, column in enumerate(self._columns)}
        for each in sorted(table.table.constraints, key=lambda each: str(each.name)):
            if isinstance(each, UniqueConstraint):
                names = [column.name for column in each.columns]
                name = str(each.name or f"{table.table.name}_{'_'.join(names)}_key")
                self._unique.append((name, [places[column] for column in names]))
            elif isinstance(each, ForeignKeyConstraint):
                other = list(each.referred_table.columns)
                self._foreign.append(
                    (
                        str(each.name or f"{table.table.name}_{'_'.join(each.column_keys)}_fkey"),
                        [places[column.name] for column in each.columns],
                        each.referred_table,
                        [other.index(element.column) for element in each.elements],
                    )
                )
            elif isinstance(each, CheckConstraint) and self._is_readable(str(each.sqltext)):
                self._checks.append((str(each.name or f"{table.table.name}_check"), str(each.sqltext)))
        for index in table.table.indexes:
            if index.unique:
                columns = [places[column.name] for column in index.columns]
                self._unique.append((str(index.name), columns))

    def check(self, image: Image, others: Mapping[Image, Image], lookup: Lookup) -> None:
        """Raises the driver's error when the row may not stand beside `others`."""
        name = self._table.table.name
        for place in self._not_null:
            if image[place] is None:
                raise asyncpg.NotNullViolationError(
                    f'null value in column "{self._columns[place].name}" of relation "{name}" '
                    "violates not-null constraint"
                )
        for check, condition in self._checks:
            if self._ask(condition, image) == 0:
                raise asyncpg.CheckViolationError(
                    f'new row for relation "{name}" violates check constraint "{check}"'
                )
        for unique, places in self._unique:
            values = [image[place] for place in places]
            if None not in values and any(
                values == [each[place] for place in places] for each in others.values()
            ):
                raise duplicate(unique)
        for foreign, places, table, referred in self._foreign:
            values = [image[place] for place in places]
            if None not in values and not any(
                values == [each[place] for place in referred] for each in lookup(table).values()
            ):
                raise asyncpg.ForeignKeyViolationError(
                    f'insert or update on table "{name}" violates foreign key constraint "{foreign}"'
                )

    def _is_readable(self, condition: str) -> bool:
        try:
            self._ask(condition, (None,) * len(self._columns))
        except sqlite3.Error:
            return False
        return True

    def _ask(self, condition: str, image: Image) -> Any:
        columns = ", ".join(f'? as "{column.name}"' for column in self._columns)
        values = [
            value if isinstance(value, int | float | str | bytes | None) else str(value) for value in image
        ]
        (answer,) = self._sqlite.execute(f"select ({condition}) from (select {columns})", values).fetchone()
        return answer


def duplicate(constraint: str) -> Exception:
    """What PostgreSQL says of a second row with the same key."""
    error: Exception = asyncpg.UniqueViolationError(
        f'duplicate key value violates unique constraint "{constraint}"'
    )
    return error
