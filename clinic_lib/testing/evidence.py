"""What the services published, noted by PostgreSQL itself in the transaction that did it.

A relay deletes what it has sent, so the outbox alone can't tell what was lost. A trigger keeps, for each row that
a committed transaction put there, its ids, its place and the transaction.
"""

from typing import NamedTuple
from uuid import UUID

import asyncpg

__all__ = ["Published", "observe", "published"]

OBSERVE = """
create schema chaos;
create table chaos.published (
    id bigint, message_id uuid, topic text, key text, type text, transaction text
);
create function chaos.note() returns trigger language plpgsql as $$
begin
    insert into chaos.published
    select id, message_id, topic, aggregateid, type, pg_current_xact_id()::text from added;
    return null;
end
$$;
create trigger chaos_note after insert on clinic_lib.outbox
    referencing new table as added for each statement execute function chaos.note();
"""

PUBLISHED = "select id, message_id, topic, key, type, transaction from chaos.published order by id"


class Published(NamedTuple):
    """An event that a service committed; `id` is its place among all of the service."""

    id: int
    message_id: UUID
    topic: str
    key: str
    type: str
    transaction: str


async def observe(connection: "asyncpg.Connection[asyncpg.Record]") -> None:
    """From now on the database keeps what its service publishes."""
    await connection.execute(OBSERVE)


async def published(connection: "asyncpg.Connection[asyncpg.Record]") -> list[Published]:
    """What its service published since, in its order."""
    return [Published(*row) for row in await connection.fetch(PUBLISHED)]
