"""Memory: a `Storage` without a server. The library's statements are answered by functions over dictionaries.

The executor and all that it stands on run unchanged on it: what differs from a process in the cluster begins
behind a statement's text. Nothing here ever waits, so one transaction is over before the next begins.
"""

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import Any

from sqlalchemy.ext.asyncio import AsyncConnection

from clinic_lib.testing.simulation import answers, letter_answers
from clinic_lib.testing.simulation.statements import ANSWERS
from clinic_lib.testing.simulation.tables import Tables

__all__ = ["Memory"]

ANSWERED = (answers, letter_answers)
"""Importing them registers what they answer."""


class MemoryTransaction:
    """A `Transaction` over tables in memory."""

    is_lost = False

    def __init__(self, tables: Tables) -> None:
        self._tables = tables

    @property
    def connection(self) -> AsyncConnection:
        raise NotImplementedError("there is no SQL in memory")

    async def fetch(self, statement: str, *arguments: Any) -> Sequence[Any]:
        if answer := ANSWERS.get(statement):
            return answer(self._tables, *arguments)
        match self._tables.row_statement(statement):
            case table, "save":
                known, *columns = arguments
                self._tables.write(table, known, list(zip(*columns, strict=True)))
                return []
            case table, (groups, bool()):
                return self._tables.select(table, groups, arguments)
        raise NotImplementedError(f"the simulation has no answer to: {statement}")

    async def execute(self, statement: str, *arguments: Any) -> None:
        await self.fetch(statement, *arguments)

    @asynccontextmanager
    async def savepoint(self) -> AsyncIterator[None]:
        with self._tables.undone_if_it_fails():
            yield


class Memory:
    """A service's storage in memory."""

    def __init__(self, tables: Tables) -> None:
        self.tables = tables

    @asynccontextmanager
    async def session(self) -> AsyncIterator[MemoryTransaction]:
        yield MemoryTransaction(self.tables)

    @asynccontextmanager
    async def transaction(self) -> AsyncIterator[MemoryTransaction]:
        async with self.session() as session, session.savepoint():
            yield session
