"""The consumer: polls Kafka and hands each poll to the executor until it is handled.

FastStream's broker starts, authenticates and stops the consumer; the loop is ours: its batch loop sleeps
`batch_timeout_ms` after each empty poll, which costs either latency or, made short, an idle core's time.

Invariant: a record is handled only after its partition was placed where the database stands, and after any
error all partitions are placed again. So the group's offsets decide nothing; they only show the lag.
"""

import asyncio
import random
from collections.abc import Mapping, Sequence
from contextlib import suppress
from typing import Any

from aiokafka import AIOKafkaConsumer, ConsumerRebalanceListener, ConsumerRecord, TopicPartition
from aiokafka.consumer.group_coordinator import GroupCoordinator
from aiokafka.errors import KafkaError, KafkaTimeoutError
from faststream import AckPolicy
from faststream.kafka import KafkaBroker

from clinic_lib import crash_points, inbox, metrics
from clinic_lib.decoding import decode, malformed, subscriptions
from clinic_lib.delivery import Poll
from clinic_lib.executor import Executor
from clinic_lib.handlers import Handler
from clinic_lib.inbox import Position
from clinic_lib.lag import Lag
from clinic_lib.logs import describe, logger, unexpected

__all__ = ["Consumer", "abandon"]

log = logger(__name__)

POLL_SECONDS = 5
FETCH_WAIT_MS = 500
"""A broker answers a connection's requests one after another: as long as this a fetch that found nothing holds up
the first one after a rebalance. Shorter costs an idle process more requests.
"""
COMMIT_SECONDS = 1.0
COMMIT_TIMEOUT_SECONDS = 10.0
LONGEST_PAUSE_SECONDS = 2.0
LOG_CUT = (
    "partition {n} of {topic} ends at {end}, yet {handled} records of it were handled: the topic was made anew or "
    "cut. Nothing of it is handled until its row in clinic_lib.checkpoint is set to where to go on"
)


class Consumer(ConsumerRebalanceListener):
    """Feeds one service's executor from its topics. `fault` says why a partition stands still, if one does;
    `known` is what it can read, by type.
    """

    def __init__(
        self, service: str, executor: Executor, handlers: Sequence[Handler], *, records: int
    ) -> None:
        self.fault: str | None = None
        self._service = service
        self._executor = executor
        self._records = records
        published = [event for handler in handlers for event in handler.events]
        self.known = subscriptions(handlers, executor.plan.sagas.observed(published))
        self._cluster = ""
        self._unplaced: set[TopicPartition] = set()
        self._skipped: dict[tuple[str, int], int] = {}
        self._to_commit: dict[TopicPartition, int] = {}
        self._busy = asyncio.Lock()
        self._consumer: AIOKafkaConsumer | None = None
        self._lag = Lag(service, self._last_end)

    @property
    def topics(self) -> list[str]:
        return sorted({each.event.declaration.topic for each in self.known.values()})

    def subscribe(self, broker: KafkaBroker, replica: int | None) -> Any:
        """The FastStream subscriber. With a number of its own a process is a static member: two processes with
        one number would fence each other out.
        """
        return broker.subscriber(
            *self.topics,
            group_id=self._service,
            group_instance_id=f"{self._service}-{replica}" if replica else None,
            batch=True,
            ack_policy=AckPolicy.MANUAL,
            auto_offset_reset="earliest",
            fetch_max_wait_ms=FETCH_WAIT_MS,
            session_timeout_ms=10_000,
            listener=self,
        )

    async def run(self, consumer: AIOKafkaConsumer, cluster: str) -> None:
        """Poll until cancelled. Whatever fails is repeated, for ever, with a growing pause: nothing is skipped."""
        self._cluster, self._unplaced, attempt = cluster, set(consumer.assignment()), 0
        self._consumer = consumer
        committer = asyncio.create_task(self._commit_offsets(consumer))
        try:
            while True:
                if committer.done():
                    raise KafkaTimeoutError("the group's coordinator does not answer")
                try:
                    await self._poll(consumer)
                    attempt = 0
                except KafkaError:
                    raise
                except Exception as exc:
                    self._unplaced |= consumer.assignment()
                    await self._pause(attempt, exc)
                    attempt += 1
        finally:
            committer.cancel()
            with suppress(TimeoutError):
                async with asyncio.timeout(1):
                    await self._commit(consumer)
            _leave_when_stopped(consumer)

    async def stop_polling(self) -> None:
        """Return when the poll in hand is handled; no other one is begun."""
        await self._busy.acquire()

    async def _poll(self, consumer: AIOKafkaConsumer) -> None:
        if self._unplaced:
            await self._place(consumer)
        try:
            polled = await consumer.getmany(timeout_ms=POLL_SECONDS * 1000, max_records=self._records)
        except UnicodeDecodeError:
            await self._set_unreadable_aside(consumer)
            return
        async with self._busy:
            if self._unplaced:  # a rebalance came while this poll was fetched: it may begin anywhere
                self._unplaced |= polled.keys()
            elif polled:
                await self._handle(polled)

    async def _handle(self, polled: Mapping[TopicPartition, Sequence[ConsumerRecord]]) -> None:
        self._lag.take(polled)
        work, skipped = self._work(polled)
        if work.deliveries:
            await self._executor.run(work)
        else:
            self._skipped |= work.next_offsets
        metrics.consumer_records.labels(self._service, "skipped").inc(skipped)
        self._lag.handled(polled)
        self._to_commit |= {each: records[-1].offset + 1 for each, records in polled.items()}

    def _work(self, polled: Mapping[TopicPartition, Sequence[ConsumerRecord]]) -> tuple[Poll, int]:
        deliveries, skipped = [], 0
        next_offsets, self._skipped = self._skipped, {}
        for place, records in polled.items():
            log_name = self._log_name(place.topic)
            next_offsets[log_name, place.partition] = records[-1].offset + 1
            for record in records:
                delivery = decode(record, log_name, self.known)
                if delivery is None:
                    skipped += 1
                else:
                    deliveries.append(delivery)
        return Poll(deliveries, next_offsets), skipped

    async def _set_unreadable_aside(self, consumer: AIOKafkaConsumer) -> None:
        """The client itself can't read a record (a header's name is no UTF-8): find it, put its place aside."""
        for place in consumer.assignment():
            try:
                await consumer.getmany(place, timeout_ms=500, max_records=1)
            except UnicodeDecodeError as exc:
                offset = await consumer.position(place)
                record = ConsumerRecord(
                    place.topic, place.partition, offset, 0, 0, None, None, None, 0, 0, ()
                )
                position = Position(self._log_name(place.topic), place.partition, offset)
                work = Poll([malformed(record, position, exc)], {position[:2]: offset + 1})
                await self._executor.run(work)
        self._unplaced |= consumer.assignment()

    async def _pause(self, attempt: int, error: Exception) -> None:
        metrics.executor_retries.labels(self._service).inc()
        log.warning("consumer.poll_failed", error=describe(error), exc_info=unexpected(error))
        await asyncio.sleep(
            min(LONGEST_PAUSE_SECONDS, 0.05 * 2 ** min(attempt, 10)) * random.uniform(0.5, 1.0)
        )

    async def on_partitions_revoked(self, revoked: set[TopicPartition]) -> None:
        """Finish the poll in hand before another member takes the partitions over."""
        async with self._busy:
            self._unplaced -= revoked
            self._lag.forget(revoked)
            for each in revoked:
                self._skipped.pop((self._log_name(each.topic), each.partition), None)
            self.fault = None

    async def on_partitions_assigned(self, assigned: set[TopicPartition]) -> None:
        self._unplaced |= assigned

    async def _place(self, consumer: AIOKafkaConsumer) -> None:
        """Go on where the database stands; what it has never seen begins with the first record."""
        unplaced = set(self._unplaced)
        mine = list(unplaced & consumer.assignment())
        stored = await inbox.positions(
            self._executor.database, sorted({self._log_name(p.topic) for p in mine})
        )
        ends = await consumer.end_offsets(mine) if mine else {}
        self._unplaced -= unplaced
        for each in consumer.assignment() & set(mine):
            offset = stored.get((self._log_name(each.topic), each.partition), 0)
            self._skipped.pop((self._log_name(each.topic), each.partition), None)
            if offset > ends[each]:
                self.fault = LOG_CUT.format(
                    topic=each.topic, n=each.partition, end=ends[each], handled=offset
                )
                log.error("consumer.place_failed", fault=self.fault)
                consumer.pause(each)
            else:
                consumer.seek(each, offset)
            self._lag.begin(each, offset, ends[each])
        # while a client is made anew the lag of the last one's partitions is still told
        self._lag.keep(consumer.assignment())

    def _last_end(self, partition: TopicPartition) -> int | None:
        consumer = self._consumer
        if consumer is None or partition not in consumer.assignment():
            return None
        end: int | None = consumer.highwater(partition)
        return end

    def _log_name(self, topic: str) -> str:
        return f"{self._cluster}/{topic}"

    async def _commit_offsets(self, consumer: AIOKafkaConsumer) -> None:
        """The group's offsets only show the lag: once a second is enough, and nobody waits for it.

        Ends with `TimeoutError` when a commit hangs. After an outage the client's look-up of the coordinator can
        wait for ever while fetching goes on: only a new client joins the group again.
        """
        while True:
            await asyncio.sleep(COMMIT_SECONDS)
            if self._to_commit:
                async with asyncio.timeout(COMMIT_TIMEOUT_SECONDS):
                    await self._commit(consumer)

    async def _commit(self, consumer: AIOKafkaConsumer) -> None:
        crash_points.crash_point("before-offset-commit")
        offsets, self._to_commit = self._to_commit, {}
        mine = {place: offset for place, offset in offsets.items() if place in consumer.assignment()}
        if mine:
            with suppress(KafkaError):
                await consumer.commit(mine)


async def abandon(consumer: AIOKafkaConsumer) -> None:
    """Close what a consumer that can't be stopped in order holds: its stop waits for a task that hangs."""
    for part in (consumer._fetcher, consumer._client):
        with suppress(Exception):
            async with asyncio.timeout(1):
                await part.close()


def _leave_when_stopped(consumer: AIOKafkaConsumer) -> None:
    """A process that ends in order hands its partitions over at once; only one that died is waited for.

    A static member stays in the group until its session times out, and the client has no public way to leave.
    """
    coordinator = consumer._coordinator
    if isinstance(coordinator, GroupCoordinator):
        coordinator._group_instance_id = None
