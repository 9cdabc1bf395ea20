"""A process that stands still does not keep its locks."""

import asyncio
import os
import signal
import sys
import time

import pytest

from clinic_lib.storage import Database
from tests.core.process import ROOT

IDLE_SECONDS = 2
FILL = "insert into seat select n, 1, repeat(md5(n::text), 400) from generate_series(1, 3000) n"
STATE = "select count(*) from pg_stat_activity where state = $1 and wait_event = $2 and datname = current_database()"

LOCKER = """
import asyncio, sys
from clinic_lib.storage import Database

async def lock(url, idle_seconds, statement):
    async with Database(url, idle_seconds=int(idle_seconds)).transaction() as transaction:
        await transaction.fetch(statement)
        await asyncio.sleep(60)

asyncio.run(lock(*sys.argv[1:]))
"""


@pytest.mark.parametrize(
    ("statement", "state", "wait_event"),
    [
        ("select 1 from seat for update", "idle in transaction", "ClientRead"),
        # 38 MB, more than the machine keeps for a process that does not read
        ("select s.* from (select pg_sleep(1) offset 0) p, seat s for update of s", "active", "ClientWrite"),
    ],
    ids=["idle", "in the middle of a large result"],
)
async def test_a_process_that_stands_still_gives_its_locks_up(
    statement: str, state: str, wait_event: str, database: Database, database_url: str
) -> None:
    async with database.session() as session:
        await session.execute(FILL)
        locker = await asyncio.create_subprocess_exec(
            *(sys.executable, "-c", LOCKER, database_url, str(IDLE_SECONDS), statement), cwd=ROOT
        )
        try:
            while await session.fetch("select 1 from pg_locks where mode = 'RowShareLock'") == []:
                await asyncio.sleep(0.02)
            await asyncio.sleep(0.2)
            os.kill(locker.pid, signal.SIGSTOP)
            while await session.fetch(STATE, state, wait_event) == [(0,)]:
                await asyncio.sleep(0.02)

            stopped = time.monotonic()
            await session.execute("update seat set free = 0")

            assert time.monotonic() - stopped < IDLE_SECONDS + 8
        finally:
            locker.kill()
            await locker.wait()
