"""Makes a role and a database for each service, or gives the role its new password. Runs in a Job.

PGHOST, PGPORT, PGUSER, PGPASSWORD and PGSSLMODE say where; each file in the folder that is the first argument is
named after a service and holds its password. Nothing is ever dropped.
"""

import asyncio
import sys
from pathlib import Path

import asyncpg


async def make(connection: asyncpg.Connection, name: str, password: str) -> None:
    """`name` is of our own table: letters and underscores."""
    literal = await connection.fetchval("select quote_literal($1::text)", password)
    if not await connection.fetchval("select 1 from pg_roles where rolname = $1", name):
        await connection.execute(f'create role "{name}" login')
    await connection.execute(f'alter role "{name}" with password {literal}')
    # an administrator that is no superuser has to be a member of whom it gives a database
    await connection.execute(f'grant "{name}" to current_user')
    if not await connection.fetchval("select 1 from pg_database where datname = $1", name):
        await connection.execute(f'create database "{name}"')
    await connection.execute(f'alter database "{name}" owner to "{name}"')
    await connection.execute(f'revoke all on database "{name}" from public')


async def main(folder: Path) -> None:
    connection = await asyncpg.connect(database="postgres", timeout=10)
    try:
        for file in sorted(folder.iterdir()):
            if file.is_file() and not file.name.startswith("."):
                await make(connection, file.name, file.read_text())
                print(f"{file.name} has its database", flush=True)
        waiting = await connection.fetch("select name from pg_settings where pending_restart order by name")
        for each in waiting:
            print(f"{each['name']} counts from the server's next start: restart it", flush=True)
    finally:
        await connection.close()


if __name__ == "__main__":
    asyncio.run(main(Path(sys.argv[1])))
