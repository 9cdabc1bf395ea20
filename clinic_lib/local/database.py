"""One database per service on a PostgreSQL server."""

import os
from collections.abc import Iterable
from urllib.parse import urlsplit

import asyncpg

from clinic_lib.addresses import address_of
from clinic_lib.errors import ConfigurationError
from clinic_lib.local.errors import StackError

__all__ = ["create_databases", "database_url"]


def database_url(server_url: str, database: str) -> str:
    """The server's URL with another database in it."""
    return urlsplit(server_url)._replace(path=f"/{database}").geturl()


async def create_databases(server_url: str, databases: Iterable[str]) -> None:
    """Creates those that do not exist.

    Raises `StackError` when the server can't be reached or does not allow it.
    """
    try:
        address = address_of(server_url).set(drivername="postgresql")
    except ConfigurationError as exc:
        raise StackError(f"{exc}.") from None
    try:
        connection = await asyncpg.connect(
            address.render_as_string(hide_password=False),
            user=os.environ.get("DATABASE_USER"),
            password=os.environ.get("DATABASE_PASSWORD"),
            timeout=10,
        )
        try:
            existing = {row["datname"] for row in await connection.fetch("select datname from pg_database")}
            for database in databases:
                if database not in existing:
                    await connection.execute(f'create database "{database}"')
        finally:
            await connection.close()
    except (OSError, asyncpg.PostgresError, asyncpg.InterfaceError) as exc:
        raise StackError(
            f"The services' databases can't be made at DATABASE_URL: {str(exc) or type(exc).__name__}."
        ) from exc
