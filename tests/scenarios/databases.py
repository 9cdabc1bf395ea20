"""The services' databases, past the services: asked, copied and set back to an earlier time."""

import asyncio
from typing import Any

import asyncpg
from sqlalchemy.engine import make_url

from tests.scenarios.clinic import Clinic

__all__ = ["RAISE_IDS", "ask", "back_up", "restore"]

RAISE_IDS = """
select setval(format('%I.%I', schemaname, sequencename)::regclass, coalesce(last_value, 0) + 1000000)
from pg_sequences where schemaname = 'public'
"""
"""What docs/restore.md has people say before a restored service is started: no id is handed out a second time."""


def ask(clinic: Clinic, database: str, statement: str, *arguments: object) -> list[tuple[Any, ...]]:
    """What a statement selects."""
    return asyncio.run(_ask(clinic, database, statement, arguments))


def back_up(clinic: Clinic, service: str) -> None:
    """Copy a service's database as it is now; the service runs before and after."""
    clinic.run("stop", service)
    ask(clinic, "postgres", f"drop database if exists {service}_backup with (force)")
    ask(clinic, "postgres", f'create database {service}_backup template "{service}"')
    clinic.run("start", service)


def restore(clinic: Clinic, service: str) -> None:
    """Put the copy in the database's place, raise the ids, and start the service."""
    clinic.run("stop", service)
    ask(clinic, "postgres", f'drop database "{service}" with (force)')
    ask(clinic, "postgres", f'create database "{service}" template {service}_backup')
    ask(clinic, "postgres", f"drop database {service}_backup with (force)")
    ask(clinic, service, RAISE_IDS)
    clinic.run("start", service)


async def _ask(clinic: Clinic, database: str, statement: str, arguments: tuple[object, ...]) -> list[Any]:
    local = f"postgresql://postgres@127.0.0.1:{clinic.project.postgresql_port}/postgres"
    server = make_url(clinic.environment.get("DATABASE_URL", local))
    connection = await asyncpg.connect(server.set(database=database).render_as_string(False))
    try:
        return [tuple(row) for row in await connection.fetch(statement, *arguments)]
    finally:
        await connection.close()
