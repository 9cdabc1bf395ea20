"""Faults of a service's database: connections cut, a table locked, a deadlock."""

import asyncio
from dataclasses import dataclass
from time import monotonic

import asyncpg

from clinic_lib.testing.faults import Fault
from clinic_lib.testing.ground import Ground

__all__ = ["Cut", "Deadlock", "Lock"]

MEETS_WITHIN_S = 10.0
HOLDS_S = 0.5
LOOKS_EVERY_S = 0.01

CUT = "select pg_terminate_backend(pid) from pg_stat_activity where datname = $1 and pid <> pg_backend_pid()"

# A poll that waits, for us or for a command that waits for us: it has written to the table we will ask for next.
WAITING = """
select count(*) from pg_stat_activity a join pg_locks l on l.pid = a.pid and l.granted
where a.datname = current_database() and a.wait_event_type = 'Lock'
    and l.relation = 'clinic_lib.checkpoint'::regclass and l.mode = 'RowExclusiveLock'
"""
DEADLOCKS = "select deadlocks from pg_stat_database where datname = current_database()"


@dataclass(frozen=True, kw_only=True)
class Cut(Fault):
    """PostgreSQL ends all connections of a service, in the middle of whatever they do."""

    words = "cut the connections of {service}"
    service: str

    async def happen(self, ground: Ground) -> None:
        async with ground.connect(self.service) as connection:
            database = await connection.fetchval("select current_database()")
            cut = await connection.fetch(CUT, database)
            ground.history.note(f"{self.what}: {len(cut)}")


@dataclass(frozen=True, kw_only=True)
class Lock(Fault):
    """Somebody locks a table of a service for `seconds`: nobody else reads or writes it."""

    words = "lock {table} of {service} for {seconds} s"
    service: str
    table: str = "clinic_lib.outbox"
    seconds: float = 5.0

    async def happen(self, ground: Ground) -> None:
        async with ground.connect(self.service) as connection, connection.transaction():
            await connection.execute(f"lock table {self.table} in access exclusive mode")
            ground.history.note(self.what)
            await asyncio.sleep(self.seconds)
        ground.history.note(f"  {self.table} of {self.service} is free again")


@dataclass(frozen=True, kw_only=True)
class Deadlock(Fault):
    """A poll of a service that publishes waits for us, and we for it: PostgreSQL ends the poll's transaction."""

    words = "deadlock {service}"
    service: str

    async def happen(self, ground: Ground) -> None:
        async with ground.connect(self.service) as connection:
            before = await connection.fetchval(DEADLOCKS)
            happened = await _met(connection) and await _counted(connection, before)
        ground.history.deadlocks += happened
        ground.history.note(self.what if happened else f"{self.what}: nobody came by")


async def _met(connection: "asyncpg.Connection[asyncpg.Record]") -> bool:
    """Whether a poll ran into us. What we hold keeps new events from the system, so we let go and try again."""
    deadline = monotonic() + MEETS_WITHIN_S
    while monotonic() < deadline:
        async with connection.transaction():
            # so that the other one is ended
            await connection.execute("set local deadlock_timeout = '30s'")
            await connection.execute("lock table clinic_lib.outbox in exclusive mode")
            if await _somebody_waits(connection):
                await connection.execute("lock table clinic_lib.checkpoint in exclusive mode")
                return True
        await asyncio.sleep(LOOKS_EVERY_S)
    return False


async def _somebody_waits(connection: "asyncpg.Connection[asyncpg.Record]") -> bool:
    deadline = monotonic() + HOLDS_S
    while monotonic() < deadline:
        if await connection.fetchval(WAITING):
            return True
        await asyncio.sleep(LOOKS_EVERY_S)
    return False


async def _counted(connection: "asyncpg.Connection[asyncpg.Record]", before: int) -> bool:
    """Whether PostgreSQL noted a deadlock; its statistics come a moment later."""
    deadline = monotonic() + MEETS_WITHIN_S
    while await connection.fetchval(DEADLOCKS) == before:
        if monotonic() > deadline:
            return False
        await asyncio.sleep(0.1)
    return True
