"""Tables in memory: all that one service has stored.

Invariant: a value that stands in a table is never changed, only replaced. So a copy of the dictionaries is all
that it takes to undo a transaction.
"""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import datetime
from itertools import count
from operator import itemgetter
from typing import Any
from uuid import UUID

from sqlalchemy import Table

from clinic_lib.rows import Image, RowTable
from clinic_lib.testing.simulation.clock import Clock
from clinic_lib.testing.simulation.constraints import constraints_of, duplicate

__all__ = ["Row", "Tables"]

Row = dict[str, Any]
"""A row of one of the library's tables, by the names of its columns."""


class Tables:
    """One service's tables; the library's have the names and columns that they have in PostgreSQL."""

    def __init__(self, rows: Sequence[RowTable], clock: Clock) -> None:
        self.clock = clock
        self.inbox: dict[UUID, Row] = {}
        self.checkpoint: dict[tuple[str, int], int] = {}
        self.barrier: dict[tuple[str, str, UUID], Row] = {}
        self.dead_letter: dict[int, Row] = {}
        self.saga: dict[tuple[str, str], Row] = {}
        self.outbox: dict[int, Row] = {}
        self.idempotency: dict[tuple[str, str], Row] = {}
        self.rows: dict[str, dict[Image, Image]] = {table.sql_name: {} for table in rows}
        self.row_tables = {table.sql_name: table for table in rows}
        self.transactions = count(1)
        self._numbers: dict[str, count[int]] = {}
        self._drawn: dict[str, int] = {}
        self._statements: dict[str, tuple[RowTable, Any]] = {}

    @property
    def now(self) -> datetime:
        return self.clock.time

    def next_id(self, table: str) -> int:
        """The next number of one of the library's tables."""
        return next(self._numbers.setdefault(table, count(1)))

    def draw(self, table: str, column: str, number: int) -> list[tuple[int]]:
        """New ids, behind those that were drawn or given: a sequence does not go back with its transaction."""
        place = self.row_tables[table].names.index(self.row_tables[table].key[0])
        last = max([self._drawn.get(table, 0), *(image[place] for image in self.rows[table].values())])
        self._drawn[table] = last + number
        return [(last + n,) for n in range(1, number + 1)]

    @contextmanager
    def undone_if_it_fails(self) -> Iterator[None]:
        saved = {name: dict(value) for name, value in vars(self).items() if name in UNDONE}
        rows = {name: dict(value) for name, value in self.rows.items()}
        try:
            yield
        except BaseException:
            vars(self).update(saved, rows=rows)
            raise

    def row_statement(self, statement: str) -> tuple[RowTable, Any] | None:
        """The table whose statement this is, and what the table calls it."""
        if statement not in self._statements:
            for table in self.row_tables.values():
                self._statements.update({text: (table, name) for name, text in table.statements.items()})
        return self._statements.get(statement)

    def select(
        self, table: RowTable, groups: Sequence[tuple[str, ...]], arguments: Sequence[Any]
    ) -> list[Image]:
        """The images of the rows that any of the groups of columns names, in the order of their keys."""
        left, found = iter(arguments), {}
        stored = self.rows[table.sql_name]
        for group in groups:
            wanted = set(zip(*(next(left) for _ in group), strict=True))
            if group == table.key:
                found.update({key: stored[key] for key in wanted if key in stored})
            else:
                places = [table.names.index(name) for name in group]
                found.update(
                    {
                        key: image
                        for key, image in stored.items()
                        if tuple(image[place] for place in places) in wanted
                    }
                )
        return [found[key] for key in sorted(found)]

    def write(self, table: RowTable, known: Sequence[bool], images: Sequence[Image]) -> None:
        """Insert the rows that are new, then update the others, and look for what they refer to when all are stored."""
        stored, rules, written = self.rows[table.sql_name], constraints_of(table), []
        for is_known, image in sorted(zip(known, images, strict=True), key=itemgetter(0)):
            key = table.key_of(dict(zip(table.names, image, strict=True)))
            if is_known and key not in stored:
                continue
            if not is_known and key in stored:
                raise duplicate(f"{table.table.name}_pkey")
            others = {each: other for each, other in stored.items() if each != key}
            rules.check(image, others)
            stored[key] = image
            written.append(image)
        for image in written:
            rules.check_references(image, self._images)

    def _images(self, table: Table) -> Mapping[Image, Image]:
        """None of a table that no function names: nobody can have written there."""
        found = (self.rows[name] for name, each in self.row_tables.items() if each.table is table)
        return next(found, {})


UNDONE = ("inbox", "checkpoint", "barrier", "dead_letter", "saga", "outbox", "idempotency")
