"""Stores: what one service has stored, and how its work is run: at once in memory, on a loop with PostgreSQL."""

from collections.abc import Coroutine, Sequence
from typing import Any, Protocol, TypeVar

from clinic_lib.rows import Image, RowTable
from clinic_lib.storage import Storage
from clinic_lib.testing.simulation.clock import Clock
from clinic_lib.testing.simulation.constraints import constraints_of
from clinic_lib.testing.simulation.memory import Memory
from clinic_lib.testing.simulation.tables import Row, Tables
from clinic_lib.testing.simulation.wiring import Wiring

__all__ = ["MemoryStore", "Store", "needs_postgresql", "run", "write"]

T = TypeVar("T")


class Store(Protocol):
    """One service's storage, and a look into it."""

    @property
    def storage(self) -> Storage: ...

    def run(self, work: Coroutine[Any, Any, T]) -> T:
        """Do it, and return when it is done."""

    def put(self, table: RowTable, image: Image) -> None:
        """Write a new row; ids that are drawn come behind its."""

    def library(self, table: str) -> Sequence[Row]:
        """All rows of one of the library's tables."""

    def images(self, table: RowTable) -> Sequence[Image]:
        """All rows of one of the service's tables, in the order of their keys."""

    def picture(self) -> dict[str, dict[Image, Image]]:
        """The service's rows as they are now, by table and key; empty where it would take too long."""


class MemoryStore:
    """In memory: nothing waits, so no loop is needed."""

    def __init__(self, rows: Sequence[RowTable], clock: Clock) -> None:
        self.tables = Tables(rows, clock)
        self.storage = Memory(self.tables)

    def run(self, work: Coroutine[Any, Any, T]) -> T:
        return run(work)

    def put(self, table: RowTable, image: Image) -> None:
        run(write(self.storage, table, image))

    def library(self, table: str) -> Sequence[Row]:
        found: dict[Any, Row] = getattr(self.tables, table)
        return list(found.values())

    def images(self, table: RowTable) -> Sequence[Image]:
        stored = self.tables.rows[table.sql_name]
        return [stored[key] for key in sorted(stored)]

    def picture(self) -> dict[str, dict[Image, Image]]:
        return {name: dict(images) for name, images in self.tables.rows.items()}


async def write(storage: Storage, table: RowTable, image: Image) -> None:
    """A new row, in a transaction of its own."""
    async with storage.transaction() as transaction:
        await table.save(transaction, [], [image])


def needs_postgresql(wiring: Wiring) -> str:
    """Why a service can't stand in memory; empty when it can."""
    if wiring.writes_sql:
        return f"a function of {wiring.name} takes the transaction, and only PostgreSQL can run its SQL"
    return "; ".join(why for table in wiring.rows for why in constraints_of(table).not_judged)


def run(work: Coroutine[Any, Any, T]) -> T:
    """A coroutine that never waits. Raises `RuntimeError` for one that does."""
    try:
        work.send(None)
    except StopIteration as stopped:
        result: T = stopped.value
        return result
    work.close()
    raise RuntimeError("a function of the simulation waits for something: only PostgreSQL may be waited for")
