"""The Job's script, on a real PostgreSQL."""

import asyncio
import os
import subprocess
import sys
from pathlib import Path

import asyncpg

from infra.databases import SCRIPT


async def test_it_makes_what_is_missing_and_changes_passwords(postgresql_url: str, tmp_path: Path) -> None:
    connection = await asyncpg.connect(postgresql_url)
    host, port, user = connection._addr[0], connection._addr[1], connection._params.user
    environment = {**os.environ, "PGHOST": host, "PGPORT": str(port), "PGUSER": user}

    hashes = []
    for password in ("first' --", "second"):
        (tmp_path / "ward_round").write_text(password)
        subprocess.run([sys.executable, SCRIPT, tmp_path], env=environment, check=True)  # noqa: ASYNC221 # nothing else runs
        hashes.append(
            await connection.fetchval("select rolpassword from pg_authid where rolname = 'ward_round'")
        )

    owner = await connection.fetchval(
        "select pg_get_userbyid(datdba) from pg_database where datname = 'ward_round'"
    )
    everybody = await connection.fetchval(
        "select has_database_privilege('pg_monitor', 'ward_round', 'connect')"
    )
    await connection.execute("drop database ward_round")
    await connection.execute("drop role ward_round")
    await connection.close()
    assert owner == "ward_round"
    assert everybody is False
    assert hashes[0] != hashes[1]
    assert all(each.startswith("SCRAM-SHA-256$") for each in hashes)


async def test_it_says_what_waits_for_a_restart(postgresql_url: str, tmp_path: Path) -> None:
    connection = await asyncpg.connect(postgresql_url)
    host, port, user = connection._addr[0], connection._addr[1], connection._params.user
    environment = {**os.environ, "PGHOST": host, "PGPORT": str(port), "PGUSER": user}
    await connection.execute("alter system set max_pred_locks_per_transaction = 99")
    await connection.execute("select pg_reload_conf()")
    while not await connection.fetchval("select count(*) from pg_settings where pending_restart"):
        await asyncio.sleep(0.05)

    answer = subprocess.run(  # noqa: ASYNC221 # nothing else runs
        [sys.executable, SCRIPT, tmp_path], env=environment, check=True, capture_output=True, text=True
    )

    await connection.execute("alter system reset max_pred_locks_per_transaction")
    await connection.execute("select pg_reload_conf()")
    await connection.close()
    said = "max_pred_locks_per_transaction counts from the server's next start: restart it"
    assert said in answer.stdout.splitlines()
