"""The relay: moves outbox rows to Kafka, from memory, in order, without a lease.

Invariant: the first occurrences of a key's events are on Kafka in the order of the outbox. One flight is under
way at a time, with at most one producer batch a partition: a batch that fails can't be overtaken by a later one.
After an error the flight goes back to the head of the queue and a new producer starts from there.
What another process or an earlier run left behind, the sweeper finds; two senders only cause duplicates,
which the consumers' inbox drops.
"""

import asyncio
from collections.abc import Callable, Collection, Sequence
from contextlib import suppress
from functools import lru_cache
from itertools import islice
from time import perf_counter
from typing import Any

from aiokafka import AIOKafkaProducer
from aiokafka.partitioner import murmur2

from clinic_lib import batch_spans, crash_points, metrics, outbox
from clinic_lib.errors import TransientError
from clinic_lib.logs import describe, logger, unexpected
from clinic_lib.outbox import OutboxRow, Outlet
from clinic_lib.storage import Database

__all__ = ["Relay", "partition_of"]

log = logger(__name__)

FLIGHT_ROWS = 2_000
QUEUE_ROWS = 10_000
FRAMING_BYTES = 48_000
"""Beyond the largest event a batch has room for: keys, headers, the batch's own."""
SWEEP_SECONDS = 2.0
IDLE_SECONDS = 1.0


@lru_cache(maxsize=65_536)
def partition_of(key: bytes, partitions: int) -> int:
    """Kafka's default partition of a key, as every other client computes it."""
    return int(murmur2(key) & 0x7FFFFFFF) % partitions


class Relay(Outlet):
    """Sends what executors offer. `make_producer` gives an idempotent producer that is not started."""

    def __init__(
        self, service: str, database: Database, make_producer: Callable[[], AIOKafkaProducer]
    ) -> None:
        self._service = service
        self._database = database
        self._make_producer = make_producer
        self._producer: AIOKafkaProducer | None = None
        self._queue: dict[int, OutboxRow] = {}
        self._flight: dict[int, OutboxRow] = {}
        self._sent: set[int] = set()
        self._deleting: set[int] = set()
        self._offered = asyncio.Event()
        self._tasks: list[asyncio.Task[None]] = []
        self._closing: set[asyncio.Task[None]] = set()

    def take_sent(self) -> list[int]:
        taken = list(self._sent)
        self._deleting.update(taken)
        self._sent.clear()
        return taken

    def give_back(self, sent: list[int]) -> None:
        self._deleting.difference_update(sent)
        self._sent.update(sent)

    def deleted(self, sent: Collection[int]) -> None:
        self._deleting.difference_update(sent)

    def known(self) -> list[int]:
        """Rows that need no sweeping."""
        return [*self._queue, *self._flight, *self._sent, *self._deleting]

    def offer(self, rows: Sequence[OutboxRow]) -> None:
        """Queue rows that are not here yet. A full queue leaves them to the sweeper: their key's next insert
        brings them along, so order holds.
        """
        if len(self._queue) > QUEUE_ROWS:
            return
        flight, sent, deleting = self._flight, self._sent, self._deleting
        for row in rows:
            if row.id not in flight and row.id not in sent and row.id not in deleting:
                self._queue.setdefault(row.id, row)
        if self._queue:
            self._offered.set()

    def pending(self) -> int:
        """How many rows are in memory and not acknowledged."""
        return len(self._queue) + len(self._flight)

    async def start(self) -> None:
        metrics.relay_pending.labels(self._service).set_function(self.pending)
        self._tasks = [asyncio.create_task(each) for each in (self._send(), self._sweep(), self._tidy())]

    async def stop(self, seconds: float = 3.0) -> None:
        """Send what is queued for at most `seconds`; the rest stays in the outbox."""
        with suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                while self._queue or self._flight:
                    await asyncio.sleep(0.01)
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await self._close_producer(seconds)
        if sent := self.take_sent():
            with suppress(TransientError):
                await outbox.delete(self._database, sent)

    async def _send(self) -> None:
        while True:
            await self._offered.wait()
            try:
                producer = self._producer or await self._open_producer()
                await self._fly(producer)
            except Exception as exc:
                metrics.relay_failures.labels(self._service).inc()
                # it starts again from the oldest row
                log.warning("relay.send_failed", error=describe(exc), exc_info=unexpected(exc))
                self._queue = {**self._flight, **self._queue}
                self._flight = {}
                await self._close_producer(1.0)
                await asyncio.sleep(0.5)
            if not self._queue:
                self._offered.clear()

    async def _fly(self, producer: AIOKafkaProducer) -> None:
        """One flight: as much of the queue as fits one batch a partition, acknowledged by the broker."""
        batches: dict[tuple[str, int], Any] = {}
        full: set[tuple[str, int]] = set()
        rows = list(islice(self._queue.values(), FLIGHT_ROWS))
        partitions = {
            topic: len(await producer.partitions_for(topic)) for topic in {row.topic for row in rows}
        }
        for row in rows:
            key = row.aggregateid.encode()
            place = (row.topic, partition_of(key, partitions[row.topic]))
            if place in full:
                continue
            batch = batches.get(place)
            if batch is None:
                batch = batches[place] = producer.create_batch()
            headers = [("type", row.type.encode()), ("id", row.message_id.bytes)]
            if batch.append(timestamp=None, key=key, value=row.payload, headers=headers) is None:
                full.add(place)
                continue
            self._flight[row.id] = self._queue.pop(row.id)
        started = perf_counter()
        acknowledgements = [
            await producer.send_batch(batch, topic, partition=partition)
            for (topic, partition), batch in batches.items()
        ]
        await asyncio.gather(*acknowledgements)
        crash_points.crash_point("after-publish")
        flight, self._flight = self._flight, {}
        self._sent.update(flight)
        metrics.relay_seconds.labels(self._service).observe(perf_counter() - started)
        metrics.relay_sent.labels(self._service).inc(len(flight))
        batch_spans.sent(list(flight.values()))

    async def _open_producer(self) -> AIOKafkaProducer:
        producer = self._make_producer()
        try:
            await producer.start()
        except BaseException:
            await producer.stop()
            raise
        self._producer = producer
        return producer

    async def _close_producer(self, seconds: float) -> None:
        producer, self._producer = self._producer, None
        if producer is not None:
            # while the broker is away it waits for its last batch: left behind, it ends when that expires
            stopping = asyncio.create_task(producer.stop())
            self._closing.add(stopping)
            stopping.add_done_callback(self._closing.discard)
            await asyncio.wait({stopping}, timeout=seconds)

    async def _sweep(self) -> None:
        """Every process looks for rows that nobody has sent, and sends all of their keys, in order."""
        while True:
            await asyncio.sleep(SWEEP_SECONDS)
            if len(self._queue) > QUEUE_ROWS:
                continue
            try:
                rows = await outbox.overdue(self._database, self.known(), SWEEP_SECONDS)
            except Exception as exc:
                log.warning("relay.sweep_failed", error=describe(exc), exc_info=unexpected(exc))
                continue
            if rows:
                crash_points.crash_point("sweeper")
                metrics.relay_swept.labels(self._service).inc(len(rows))
                self.offer(rows)

    async def _tidy(self) -> None:
        """Delete acknowledged rows when no transaction comes along to do it."""
        while True:
            await asyncio.sleep(IDLE_SECONDS)
            if sent := self.take_sent():
                try:
                    await outbox.delete(self._database, sent)
                except asyncio.CancelledError:
                    self.give_back(sent)  # `stop` deletes them
                    raise
                except Exception as exc:
                    log.warning("relay.tidy_failed", error=describe(exc), exc_info=unexpected(exc))
                    self.give_back(sent)
                else:
                    self.deleted(sent)
