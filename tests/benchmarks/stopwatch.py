"""What a run is measured by, from its first order to my page's last; needs nothing but asyncpg, as the workload."""

import asyncio
import json
import os
import time
from collections.abc import Awaitable, Callable
from dataclasses import asdict, dataclass, field
from pathlib import Path

import asyncpg

from tests.benchmarks.workload import Books, database_of

__all__ = ["KAFKA_PID", "POSTGRESQL_PID", "Result", "Stopwatch", "measure_in_one_database"]

KAFKA_PID, POSTGRESQL_PID = "BENCHMARK_KAFKA_PID", "BENCHMARK_POSTGRESQL_PID"
"""Environment variables that name the servers' processes, where they are ours."""
TICKS_PER_SECOND = os.sysconf("SC_CLK_TCK")


@dataclass
class Result:
    """What one run measured; it counts only when `gate`, which lists what is wrong, is empty.

    `commits` are transactions that wrote; CPU is in microseconds, of the contender's own processes and of the servers',
    0 where those are not ours; all but the first and the last two a saga.
    """

    sagas_per_second: float
    cpu: float = 0.0
    postgresql_cpu: float = 0.0
    kafka_cpu: float = 0.0
    commits: float = 0.0
    wal_bytes: float = 0.0
    kafka_bytes: float = 0.0
    seconds: float = 0.0
    gate: list[str] = field(default_factory=list)

    def tell(self) -> None:
        """One line of JSON on standard output: how a contender hands over its result."""
        print(json.dumps(asdict(self)), flush=True)


@dataclass(frozen=True)
class _Counters:
    """Everything that only grows."""

    cpu: float
    postgresql_cpu: float
    kafka_cpu: float
    commits: float
    wal_bytes: float


class Stopwatch:
    """Measures what carries out `sagas` orders. `cpu` tells the contender's seconds; without it, this process's."""

    def __init__(self, books: Books, sagas: int, cpu: Callable[[], Awaitable[float]] | None = None) -> None:
        self.books = books
        self.sagas = sagas
        self._cpu = cpu

    async def measure(self, work: Callable[[], Awaitable[object]]) -> Result:
        """Raises what `work` raises, and `RunError` when my page stands still."""
        await self.books.page.execute(
            "select 'benchmark begins'"
        )  # for who counts statements in the server's log
        before, started = await self._counters(), time.perf_counter()
        task, shown = asyncio.ensure_future(work()), asyncio.ensure_future(self.books.until_shown(self.sagas))
        try:
            await asyncio.wait({task, shown}, return_when=asyncio.FIRST_EXCEPTION)
            task.result()
            shown.result()
        finally:
            task.cancel()
            shown.cancel()
        seconds, after = time.perf_counter() - started, await self._counters()
        await self.books.page.execute("select 'benchmark ends'")
        spent = {name: (value - getattr(before, name)) / self.sagas for name, value in asdict(after).items()}
        for name in ("cpu", "postgresql_cpu", "kafka_cpu"):
            spent[name] *= 1e6
        return Result(self.sagas / seconds, **spent, seconds=seconds)

    async def _counters(self) -> _Counters:
        row = await self.books.page.fetchrow(
            "select pg_snapshot_xmax(pg_current_snapshot())::text::bigint as commits, "
            "pg_current_wal_lsn() - '0/0' as wal_bytes"
        )
        assert row
        return _Counters(
            cpu=await self._cpu() if self._cpu else time.process_time(),
            postgresql_cpu=_tree_cpu(os.environ.get(POSTGRESQL_PID)),
            kafka_cpu=_tree_cpu(os.environ.get(KAFKA_PID)),
            commits=row["commits"],
            wal_bytes=float(row["wal_bytes"]),
        )


async def measure_in_one_database(sagas: int, work: Callable[[], Awaitable[object]]) -> Result:
    """`work` on the database `peer`, which has all three tables, with its gate."""
    connection = await asyncpg.connect(database_of("peer"))
    try:
        books = Books(connection, connection, connection)
        result = await Stopwatch(books, sagas).measure(work)
        result.gate = await books.gate(sagas)
        return result
    finally:
        await connection.close()


def _tree_cpu(pid: str | None) -> float:
    """Seconds of a process, its children, and those of them that have ended; 0 where that can't be known."""
    if not pid or not Path("/proc/self/stat").exists():
        return 0.0
    ticks = 0
    for path in Path("/proc").glob("[0-9]*/stat"):
        try:
            number, _, rest = path.read_text().partition(" (")
        except OSError:
            continue  # it has ended meanwhile
        fields = rest.rpartition(") ")[2].split()
        if number == pid:
            ticks += sum(map(int, fields[11:15]))  # with the children that have ended
        elif fields[1] == pid:
            ticks += sum(map(int, fields[11:13]))
    return ticks / TICKS_PER_SECOND
