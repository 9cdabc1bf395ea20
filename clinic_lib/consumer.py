"""The consumer: polls Kafka, hands each poll to the executor and repeats it until it is handled.

FastStream's broker starts, authenticates and stops the consumer; the loop is ours: its batch loop sleeps
`batch_timeout_ms` after each empty poll, which costs either latency or, made short, an idle core's time.
A record is never skipped because something was down: offsets are stored with what the records caused, and on
each assignment the consumer goes on where the database stands, whatever the group's offsets say.
"""

import asyncio
import logging
import random
import re
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from datetime import UTC, datetime
from typing import Annotated, Any, Generic, NotRequired, TypeVar
from uuid import NAMESPACE_OID, uuid5

from aiokafka import AIOKafkaConsumer, ConsumerRebalanceListener, ConsumerRecord, TopicPartition
from aiokafka.consumer.group_coordinator import GroupCoordinator
from aiokafka.errors import KafkaError
from faststream.kafka import KafkaBroker
from pydantic import Field, TypeAdapter, ValidationError
from typing_extensions import TypedDict

from clinic_lib import inbox, telemetry
from clinic_lib.delivery import RecordDelivery, Work, lock_key
from clinic_lib.errors import MalformedRecordError, TransientError
from clinic_lib.executor import Executor
from clinic_lib.handlers import Handler
from clinic_lib.inbox import Position
from clinic_lib.messages import Envelope, Event, fast_uuid, holds_nul

__all__ = ["Consumer", "Subscription", "decode", "subscriptions"]

log = logging.getLogger(__name__)

POLL_SECONDS = 5
COMMIT_SECONDS = 1.0
LOG_CUT = (
    "partition {n} of {topic} ends at {end}, yet {handled} records of it were handled: the topic was made anew or "
    "cut. Nothing of it is handled until its row in clinic_lib.checkpoint is set to where to go on"
)
TRACEPARENT = re.compile(r"[0-9a-f]{2}-[0-9a-f]{32}-[0-9a-f]{16}-[0-9a-f]{2}")


EventT = TypeVar("EventT", bound=Event)


UuidText = Annotated[str, Field(pattern=r"^[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}$")]
"""Read by the driver's class, not by pydantic, which makes Python's slow one."""


class _Wire(TypedDict, Generic[EventT]):
    source: str
    time: datetime
    correlationid: UuidText
    causationid: NotRequired[UuidText]
    traceparent: NotRequired[str]
    data: EventT


class Subscription:
    """An event class that a service handles: how its records are read and by which functions."""

    def __init__(self, event: type[Event], handlers: tuple[Handler, ...]) -> None:
        self.event = event
        self.handlers = handlers
        wire: Any = _Wire
        self.read: Callable[[bytes], _Wire[Any]] = TypeAdapter(wire[event]).validate_json


def subscriptions(handlers: Sequence[Handler]) -> dict[bytes, Subscription]:
    """By the type header; of one event's functions the compensations run last."""
    found: dict[type[Event], list[Handler]] = {}
    for handler in sorted(handlers, key=lambda each: each.kind == "compensation"):
        for message in handler.messages:
            if issubclass(message, Event):
                found.setdefault(message, []).append(handler)
    return {event.declaration.type.encode(): Subscription(event, tuple(own)) for event, own in found.items()}


def decode(
    record: ConsumerRecord, log_name: str, known: Mapping[bytes, Subscription]
) -> RecordDelivery | None:
    """A record as what the executor handles; None for a type that nobody here handles. Never raises."""
    headers = dict(record.headers)
    name = headers.get("type")
    position = Position(log_name, record.partition, record.offset)
    if name and name not in known:
        return None
    try:
        if not name:
            raise MalformedRecordError("the header `type` is missing or empty")
        return _event(record, headers, known[name], position)
    except (MalformedRecordError, ValidationError) as exc:
        return _malformed(record, position, exc)


def _event(
    record: ConsumerRecord, headers: Mapping[str, bytes | None], known: Subscription, position: Position
) -> RecordDelivery:
    raw_id = headers.get("id")
    if raw_id is None or len(raw_id) != 16:
        raise MalformedRecordError("the header `id` is not the 16 bytes of a UUID")
    if not record.value:
        raise MalformedRecordError("the record has no value")
    if holds_nul(record.value):
        raise MalformedRecordError("a text holds a NUL, which no database takes")
    wire = known.read(record.value)
    event: Event = wire["data"]
    if record.key is None or record.key.decode("utf-8", "replace") != event.subject:
        raise MalformedRecordError(f"the record's key is not the event's {event.declaration.key}")
    cause, traceparent = wire.get("causationid"), wire.get("traceparent")
    envelope = Envelope(
        fast_uuid(raw_id),
        wire["time"],
        wire["source"],
        fast_uuid(wire["correlationid"]),
        fast_uuid(cause) if cause else None,
        traceparent if traceparent and TRACEPARENT.fullmatch(traceparent) else None,
    )
    return RecordDelivery(event, envelope, known.handlers, lock_key(event), record, position=position)


def _malformed(record: ConsumerRecord, position: Position, error: Exception) -> RecordDelivery:
    """It has no id of its own to trust, so its place in the log is its id."""
    message_id = uuid5(NAMESPACE_OID, f"{position.log}/{position.partition}/{position.offset}")
    envelope = Envelope(message_id, datetime.now(UTC), source="", correlation_id=message_id)
    return RecordDelivery(None, envelope, (), None, record, failure=error, position=position)


def _leave_when_stopped(consumer: AIOKafkaConsumer) -> None:
    """A process that ends in order hands its partitions over at once; only one that died is waited for.

    A static member stays in the group until its session times out, and the client has no public way to leave.
    """
    coordinator = consumer._coordinator
    if isinstance(coordinator, GroupCoordinator):
        coordinator._group_instance_id = None


class Consumer(ConsumerRebalanceListener):
    """Feeds one service's executor from its topics."""

    def __init__(
        self, service: str, executor: Executor, handlers: Sequence[Handler], *, records: int
    ) -> None:
        self._service = service
        self._executor = executor
        self._records = records
        self._known = subscriptions(handlers)
        self._cluster = ""
        self._skipped: dict[tuple[str, int], int] = {}
        self._to_commit: dict[TopicPartition, int] = {}
        self._busy = asyncio.Lock()
        self.fault: str | None = None
        self._consumer: AIOKafkaConsumer | None = None

    @property
    def topics(self) -> list[str]:
        return sorted({each.event.declaration.topic for each in self._known.values()})

    def subscribe(self, broker: KafkaBroker, replica: int | None) -> Any:
        """The FastStream subscriber. With a number of its own a process is a static member: two processes with
        one number would fence each other out.
        """
        return broker.subscriber(
            *self.topics,
            group_id=self._service,
            group_instance_id=f"{self._service}-{replica}" if replica else None,
            batch=True,
            auto_offset_reset="earliest",
            fetch_max_wait_ms=5000,
            session_timeout_ms=10_000,
            listener=self,
        )

    async def run(self, consumer: AIOKafkaConsumer, cluster: str) -> None:
        """Poll until cancelled."""
        self._consumer, self._cluster = consumer, cluster
        await self._seek(consumer, consumer.assignment())
        committer = asyncio.create_task(self._commit_offsets(consumer))
        try:
            while True:
                polled = await consumer.getmany(timeout_ms=POLL_SECONDS * 1000, max_records=self._records)
                if polled:
                    async with self._busy:
                        await self._handle(polled)
        finally:
            committer.cancel()
            await self._commit(consumer)
            _leave_when_stopped(consumer)

    async def _handle(self, polled: Mapping[TopicPartition, Sequence[ConsumerRecord]]) -> None:
        work, skipped = self._work(polled)
        telemetry.consumer_skipped.labels(self._service).inc(skipped)
        if work.deliveries:
            await self._repeat(work)
        else:
            self._skipped |= work.next_offsets
        self._to_commit |= {each: records[-1].offset + 1 for each, records in polled.items()}

    def _work(self, polled: Mapping[TopicPartition, Sequence[ConsumerRecord]]) -> tuple[Work, int]:
        deliveries, skipped = [], 0
        next_offsets, self._skipped = self._skipped, {}
        for place, records in polled.items():
            log_name = self._log_name(place.topic)
            next_offsets[log_name, place.partition] = records[-1].offset + 1
            for record in records:
                delivery = decode(record, log_name, self._known)
                if delivery is None:
                    skipped += 1
                else:
                    deliveries.append(delivery)
        return Work("poll", deliveries, next_offsets), skipped

    async def _repeat(self, work: Work) -> None:
        """An error repeats the same work, for ever, with a growing pause: no record is skipped."""
        attempt = 0
        while True:
            try:
                await self._executor.run(work)
                return
            except Exception as exc:
                telemetry.executor_retries.labels(self._service).inc()
                unexpected = not isinstance(exc, TransientError)
                log.warning("consumer.poll failed, will be repeated: %s", exc, exc_info=unexpected)
                await self._executor.database.forget_connections()
                await asyncio.sleep(min(2.0, 0.05 * 2**attempt) * random.uniform(0.5, 1.0))
                attempt = min(attempt + 1, 10)

    async def on_partitions_revoked(self, revoked: set[TopicPartition]) -> None:
        """Finish the poll in hand before another member takes the partitions over."""
        async with self._busy:
            if self._consumer is not None and revoked:
                await self._commit(self._consumer)

    async def on_partitions_assigned(self, assigned: set[TopicPartition]) -> None:
        if self._consumer is not None:
            await self._seek(self._consumer, assigned)

    async def _seek(self, consumer: AIOKafkaConsumer, assigned: set[TopicPartition]) -> None:
        """Go on where the database stands. While it is down the group's offsets serve: what is below the
        database's is skipped by the inbox.
        """
        logs = sorted({self._log_name(each.topic) for each in assigned})
        try:
            stored = await inbox.positions(self._executor.database, logs)
        except TransientError as exc:
            log.warning("consumer.seek failed, the group's offsets serve: %s", exc)
            return
        mine = list(assigned & consumer.assignment())
        ends = await consumer.end_offsets(mine) if mine else {}
        for each in mine:
            offset = stored.get((self._log_name(each.topic), each.partition), 0)
            self._skipped.pop((self._log_name(each.topic), each.partition), None)
            if offset > ends[each]:
                self.fault = LOG_CUT.format(
                    topic=each.topic, n=each.partition, end=ends[each], handled=offset
                )
                log.error("consumer.seek failed: %s", self.fault)
                consumer.pause(each)
            else:
                consumer.seek(each, offset)

    def _log_name(self, topic: str) -> str:
        return f"{self._cluster}/{topic}"

    async def _commit_offsets(self, consumer: AIOKafkaConsumer) -> None:
        """The group's offsets only show the lag: once a second is enough, and nobody waits for it."""
        while True:
            await asyncio.sleep(COMMIT_SECONDS)
            if self._to_commit:
                await self._commit(consumer)

    async def _commit(self, consumer: AIOKafkaConsumer) -> None:
        telemetry.crash_point("before-offset-commit")
        offsets, self._to_commit = self._to_commit, {}
        mine = {place: offset for place, offset in offsets.items() if place in consumer.assignment()}
        if mine:
            with suppress(KafkaError):
                await consumer.commit(mine)
