"""What the tests of the executor share: records as Kafka would hand them over, and a process's worker."""

import json
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from itertools import count
from typing import Any
from uuid import UUID

from aiokafka import ConsumerRecord

from clinic_lib.decoding import decode, subscriptions
from clinic_lib.delivery import Answer, CommandDelivery, Commands, Poll, Work
from clinic_lib.executor import Executor
from clinic_lib.messages import Command, Envelope, Event, new_message_id
from clinic_lib.redrive import Redriver
from clinic_lib.service import Service
from clinic_lib.storage import Storage
from tests.core.shop import TOPIC

LOG = "cluster/shop"
NOTICES = ["OrderStepStuck", "OrderStepFreed"]


class Log:
    """One partition of a topic, as far as it was written."""

    def __init__(self, partition: int = 0) -> None:
        self.partition = partition
        self.next_offset = count()

    def append(self, event: Event, message_id: UUID | None = None) -> ConsumerRecord:
        """The record of an event of ours."""
        message_id = message_id or new_message_id()
        headers = [("type", event.declaration.type.encode()), ("id", message_id.bytes)]
        return self.append_raw(event.subject.encode(), cloud_event(event, message_id), headers)

    def append_raw(
        self,
        key: bytes | None,
        value: bytes | None,
        headers: Sequence[tuple[str, bytes | None]],
        timestamp: int = 1_790_000_000_000,
    ) -> ConsumerRecord:
        return ConsumerRecord(
            topic=TOPIC,
            partition=self.partition,
            offset=next(self.next_offset),
            timestamp=timestamp,
            timestamp_type=0,
            key=key,
            value=value,
            checksum=None,
            serialized_key_size=len(key or b""),
            serialized_value_size=len(value or b""),
            headers=tuple(headers),
        )


def cloud_event(event: Event, message_id: UUID, **other: object) -> bytes:
    """An event as the value of its record."""
    attributes: dict[str, object] = {
        "specversion": "1.0",
        "id": str(message_id),
        "type": event.declaration.type,
        "source": "tests",
        "time": datetime.now(UTC).isoformat(),
        "subject": event.subject,
        "correlationid": str(message_id),
        "data": json.loads(event.model_dump_json()),
    }
    return json.dumps(attributes | other).encode()


class Worker:
    """A process of a service without Kafka: it is handed polls and commands."""

    def __init__(self, service: Service, database: Storage) -> None:
        self.service = service
        self.known = subscriptions(service.handlers, service.owned_sagas().observed(_published(service)))
        self.executor = Executor(
            service.name, database, service.tables, service.handlers, service.owned_sagas()
        )
        self.redriver = Redriver(self.executor, self.known)

    async def poll(self, *records: ConsumerRecord) -> None:
        """Handle the records in one poll."""
        await self.executor.run(self.work(records))

    def work(self, records: Iterable[ConsumerRecord]) -> Work:
        records = list(records)
        deliveries = [decode(record, LOG, self.known) for record in records]
        next_offsets = {(LOG, record.partition): record.offset + 1 for record in records}
        return Poll([each for each in deliveries if each is not None], next_offsets)

    async def command(self, command: Command, key: str | None = None) -> Answer | Exception | None:
        """Carry out one command; None when nothing was to be answered."""
        delivery = self.delivery(command, key)
        await self.executor.run(Commands([delivery]))
        return delivery.answer

    def delivery(self, command: Command, key: str | None = None) -> CommandDelivery:
        handler = next(each for each in self.service.handlers if type(command) in each.messages)
        message_id = new_message_id()
        envelope = Envelope(message_id, datetime.now(UTC), "tests", message_id)
        return CommandDelivery(command, envelope, (handler,), key, respond=lambda results, rows: DONE)


DONE = Answer(204, b"")


def _published(service: Service) -> set[type[Event]]:
    return {event for handler in service.handlers for event in handler.events}


async def rows(database: Storage, statement: str, *arguments: object) -> list[tuple[Any, ...]]:
    """What a statement selects."""
    async with database.session() as session:
        return [tuple(row) for row in await session.fetch(statement, *arguments)]


async def value(database: Storage, statement: str, *arguments: object) -> Any:
    """The one value that a statement selects."""
    ((result,),) = await rows(database, statement, *arguments)
    return result


async def published(database: Storage) -> list[tuple[str, str]]:
    """Type and key of the functions' events in the outbox, in their order."""
    return await rows(
        database,
        "select type, aggregateid from clinic_lib.outbox where type <> all($1::text[]) order by id",
        NOTICES,
    )


async def notices(database: Storage) -> list[tuple[str, str]]:
    """Type and key of the library's own events in the outbox, in their order."""
    return await rows(
        database,
        "select type, aggregateid from clinic_lib.outbox where type = any($1::text[]) order by id",
        NOTICES,
    )


async def sent(database: Storage, log: Log, *types: str) -> list[ConsumerRecord]:
    """The outbox's events, of some types or all, as records of `log`."""
    found = await rows(
        database, "select type, message_id, aggregateid, payload from clinic_lib.outbox order by id"
    )
    return [
        log.append_raw(key.encode(), payload, [("type", kind.encode()), ("id", message_id.bytes)])
        for kind, message_id, key, payload in found
        if not types or kind in types
    ]


async def letters(database: Storage) -> list[tuple[str, str | None, str | None]]:
    """State, key and error of the dead letters, in their order."""
    return await rows(database, "select state, key, error from clinic_lib.dead_letter order by id")
