"""What runs in a service's process: database, executor, relay, consumer and command queue, in this order.

Nothing that is down keeps the process from starting or makes it end: it waits, says so at /health/ready, and
goes on by itself. Only a wrong setting or schema ends it, with one sentence.
"""

import asyncio
import gc
import signal
from collections.abc import Sequence
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from time import monotonic
from typing import Any, Protocol

from aiokafka import AIOKafkaConsumer, AIOKafkaProducer
from aiokafka.admin import AIOKafkaAdminClient, NewTopic
from aiokafka.errors import TopicAlreadyExistsError, for_code
from faststream.kafka import KafkaBroker
from faststream.kafka.security import parse_security
from sqlalchemy import MetaData
from starlette.routing import BaseRoute

from clinic_lib import idempotency, inbox, instances, metrics, series
from clinic_lib.admin_letters import letter_routes
from clinic_lib.admin_sagas import SagaRoutes
from clinic_lib.census import Census
from clinic_lib.commands import CommandQueue
from clinic_lib.consumer import Consumer, abandon
from clinic_lib.deadlines import DeadlineTimer
from clinic_lib.errors import ConfigurationError
from clinic_lib.executor import Executor
from clinic_lib.handlers import Handler
from clinic_lib.history import History
from clinic_lib.ledger import Sagas
from clinic_lib.logs import describe, logger, unexpected
from clinic_lib.redrive import Redriver
from clinic_lib.relay import FRAMING_BYTES, Relay
from clinic_lib.row_gauge import RowGauge
from clinic_lib.schema import migrate
from clinic_lib.settings import ServiceSettings
from clinic_lib.storage import Database

__all__ = ["Runtime"]

log = logger(__name__)

RETRY_SECONDS = 0.5
OWN_CONNECTIONS = 6
DRAIN_SECONDS = 3.0
CONSUMER_GRACE_SECONDS = 10.0
MAINTENANCE_SECONDS = 3600.0


class Declared(Protocol):
    """What a process is to run: a service."""

    name: str
    handlers: list[Handler]

    @property
    def tables(self) -> list[MetaData]: ...

    def owned_sagas(self, deadline: timedelta | None) -> Sagas: ...

    @property
    def gauges(self) -> Sequence[RowGauge]: ...


class Runtime:
    """One process of a service. `ready` is None when it serves, else the reason why it does not."""

    def __init__(self, declared: Declared, settings: ServiceSettings, broker: KafkaBroker) -> None:
        service, handlers, tables = declared.name, declared.handlers, declared.tables
        self.settings = settings
        self._kafka: dict[str, Any] = {
            "bootstrap_servers": settings.kafka_bootstrap_servers,
            **parse_security(settings.kafka_security()),
        }
        address = settings.database_address()
        self.database = Database(address, connections=OWN_CONNECTIONS, service=service)
        self.reads = Database(address, connections=settings.database_connections, service=service, scans=True)
        self.sagas = declared.owned_sagas(settings.saga_deadline)
        self.executor = Executor(service, self.database, tables, handlers, self.sagas)
        self.executor.plan.largest_event_bytes = settings.largest_event_bytes
        self.relay = Relay(service, self.database, self._make_producer)
        self.executor.outlet = self.relay
        self.commands = CommandQueue(self.executor, settings.waiting_commands, self.refuses)
        self.consumer = Consumer(service, self.executor, handlers, records=settings.poll_records)
        self.redriver = Redriver(self.executor, self.consumer.known)
        self._deadlines = DeadlineTimer(self.executor)
        self._census = Census(service, self.reads, self.sagas.names, declared.gauges)
        self._broker = broker
        self._tables = tables
        self._handlers = handlers
        self._topics = sorted(
            {*self.consumer.topics, *(e.declaration.topic for h in handlers for e in h.events)}
        )
        self._state = "starting"
        self._consuming = not self.consumer.topics
        self._started = monotonic()
        self._task: asyncio.Task[None] | None = None

    def ready(self) -> str | None:
        if self._state != "serving":
            return self._state
        if not self._consuming and monotonic() - self._started < CONSUMER_GRACE_SECONDS:
            return "joining the consumer group"
        return self.consumer.fault

    def refuses(self) -> str | None:
        """Why commands can't be taken now; clients read it, so it tells nothing of what went wrong inside."""
        match self._state:
            case "serving":
                return None
            case "draining":
                return "the service is stopping"
            case _:
                return "the service is starting: its database is not ready yet"

    def admin_routes(self) -> list[BaseRoute]:
        """What people look at and do behind the admin port's token."""
        history = History(self._make_reader)
        return [
            *letter_routes(self.reads, self.redriver),
            *SagaRoutes(self.executor.service, self.reads, self.sagas, history, self.consumer.known).routes(),
        ]

    async def start(self) -> None:
        _calm_garbage_collector()
        self._declare_metrics()
        self._task = asyncio.create_task(self._run())

    async def stop(self) -> None:
        """Finish the transactions under way, publish what they caused, leave the group; all within seconds."""
        self._state = "draining"
        with suppress(TimeoutError):
            async with asyncio.timeout(DRAIN_SECONDS):
                await self.consumer.stop_polling()
                await self.commands.drain()
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)
        await self.commands.stop()
        await self.relay.stop()
        await self.database.close()
        await self.reads.close()

    def _declare_metrics(self) -> None:
        service = self.executor.service
        series.begin(service, self._handlers, self.sagas.names)
        metrics.database_connections.labels(service, "used").set_function(lambda: self._connections()[0])
        metrics.database_connections.labels(service, "idle").set_function(lambda: self._connections()[1])

    def _connections(self) -> tuple[int, int]:
        """Used and idle, of both pools."""
        (used, idle), (reading, waiting) = self.database.connections(), self.reads.connections()
        return used + reading, idle + waiting

    async def _run(self) -> None:
        try:
            await self._prepare_database()
            await self.relay.start()
            self.commands.start()
            self._state = "serving"
            looks = [self.redriver.run(), self._census.run()]
            looks += [self._deadlines.run()] if self.sagas.all else []
            await asyncio.gather(self._consume(), self._maintain(), *looks)
        except Exception as exc:
            log.critical(
                "runtime.failed", error=describe(exc), exc_info=not isinstance(exc, ConfigurationError)
            )
            self._state = str(exc)
            signal.raise_signal(signal.SIGTERM)

    async def _prepare_database(self) -> None:
        while True:
            try:
                await migrate(self.database, self._tables)
                await inbox.keep_partitions(self.database, datetime.now(UTC))
                return
            except ConfigurationError:
                raise
            except (
                Exception
            ) as exc:  # also what somebody has to mend: a password, a database that is not made
                self._state = f"waiting for the database: {exc}"
                log.warning("runtime.database_awaited", error=describe(exc))
                await asyncio.sleep(RETRY_SECONDS)

    async def _consume(self) -> None:
        """Join the group; while Kafka is away, try again."""
        subscriber = (
            self.consumer.subscribe(self._broker, self.settings.replica) if self.consumer.topics else None
        )
        while True:
            try:
                cluster = await self._prepare_topics()
                await self._broker.connect()
                await self._broker.start()
                if subscriber is None:
                    await asyncio.Event().wait()
                    return
                consumer: AIOKafkaConsumer = subscriber.consumer
                self._consuming = True
                await self.consumer.run(consumer, cluster)
            except Exception as exc:
                log.warning("runtime.consumer_restarted", error=describe(exc), exc_info=unexpected(exc))
            finally:
                await self._stop_broker(subscriber)
            await asyncio.sleep(RETRY_SECONDS)

    async def _stop_broker(self, subscriber: Any) -> None:
        consumer = subscriber.consumer if subscriber else None
        try:
            async with asyncio.timeout(DRAIN_SECONDS):
                await self._broker.stop()
        except Exception as exc:
            log.warning("runtime.consumer_not_stopped", error=describe(exc))
            if consumer is not None:
                await abandon(consumer)

    async def _prepare_topics(self) -> str:
        """Make topics that are missing, with their number of partitions for ever; return the cluster's id."""
        admin = AIOKafkaAdminClient(**self._kafka)
        try:
            await admin.start()
            present = set(await admin.list_topics())
            missing = [
                NewTopic(
                    name,
                    self.settings.kafka_partitions,
                    self.settings.kafka_replication_factor,
                    topic_configs={"retention.ms": "-1", "retention.bytes": "-1"},
                )
                for name in self._topics
                if name not in present
            ]
            if missing:
                answer = await admin.create_topics(missing)
                for name, code, *_ in answer.topic_errors:
                    error = for_code(code)
                    if code and error is not TopicAlreadyExistsError:
                        raise error(f"topic {name} could not be made")
            described: dict[str, Any] = await admin.describe_cluster()
            return str(described["cluster_id"])
        finally:
            await admin.close()

    async def _maintain(self) -> None:
        while True:
            await asyncio.sleep(MAINTENANCE_SECONDS)
            try:
                await inbox.keep_partitions(self.database, datetime.now(UTC))
                await idempotency.expire(self.database)
                await instances.expire(self.database)
            except Exception as exc:
                log.warning("runtime.maintenance_failed", error=describe(exc), exc_info=unexpected(exc))

    def _make_producer(self) -> AIOKafkaProducer:
        return AIOKafkaProducer(
            **self._kafka,
            enable_idempotence=True,
            max_batch_size=self.settings.largest_event_bytes + FRAMING_BYTES,
            max_request_size=self.settings.largest_event_bytes + FRAMING_BYTES,
        )

    def _make_reader(self) -> AIOKafkaConsumer:
        return AIOKafkaConsumer(**self._kafka, enable_auto_commit=False)


def _calm_garbage_collector() -> None:
    """A poll makes tens of thousands of objects that die together: collecting less often, and never what the
    imports left, saves a third of the time of a poll (measured by tests/benchmarks).
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(50_000, 20, 20)
