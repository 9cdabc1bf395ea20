"""What faults are done to: processes, databases and the log."""

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from time import monotonic
from typing import Any

import asyncpg

from clinic_lib.testing.history import History
from clinic_lib.testing.target import Target

__all__ = ["Ground"]

CONNECTS_WITHIN_S = 30


@dataclass(frozen=True)
class Ground:
    """`targets` by the name that plans use, `databases` (addresses) by service."""

    kafka: str
    targets: Mapping[str, Target]
    databases: Mapping[str, str]
    history: History = field(default_factory=History)

    @asynccontextmanager
    async def connect(self, service: str) -> AsyncIterator["asyncpg.Connection[asyncpg.Record]"]:
        """A connection to the service's database; waits while the server is away."""
        deadline = monotonic() + CONNECTS_WITHIN_S
        while True:
            try:
                connection = await asyncpg.connect(self.databases[service], timeout=5)
                break
            except (OSError, asyncpg.PostgresError):
                if monotonic() > deadline:
                    raise
                await asyncio.sleep(0.2)
        try:
            yield connection
        finally:
            connection.terminate()

    async def rows(self, service: str, statement: str, *arguments: object) -> list[tuple[Any, ...]]:
        """What a statement selects in the service's database."""
        async with self.connect(service) as connection:
            return [tuple(row) for row in await connection.fetch(statement, *arguments)]
