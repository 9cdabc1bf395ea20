"""A system's log as Kafka has it: read, written to past the services, and a group's offsets set back."""

import asyncio
from collections.abc import Sequence

from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, ConsumerRecord, TopicPartition
from aiokafka.errors import KafkaError

from tests.scenarios.clinic import Clinic

__all__ = ["append", "read_log", "set_offsets_to_zero"]

TOPIC = "clinic"
GROUP_EMPTIES_WITHIN_SECONDS = 30


def bootstrap(clinic: Clinic) -> str:
    return clinic.environment.get("KAFKA_BOOTSTRAP_SERVERS", f"127.0.0.1:{clinic.project.kafka_port}")


def read_log(clinic: Clinic, topic: str = TOPIC) -> list[ConsumerRecord]:
    """Every record of the log, in order within a saga."""
    return asyncio.run(_read(bootstrap(clinic), topic))


async def _read(servers: str, topic: str) -> list[ConsumerRecord]:
    async with AIOKafkaConsumer(topic, bootstrap_servers=servers, auto_offset_reset="earliest") as consumer:
        ends = await consumer.end_offsets(consumer.assignment())
        records: list[ConsumerRecord] = []
        while len(records) < sum(ends.values()):
            for polled in (await consumer.getmany(timeout_ms=1000)).values():
                records += polled
        return records


def append(
    clinic: Clinic,
    records: Sequence[tuple[bytes | None, bytes | None, list[tuple[str, bytes | None]]]],
) -> None:
    """Write records as (key, value, headers), whatever they hold."""
    asyncio.run(_append(bootstrap(clinic), records))


async def _append(
    servers: str, records: Sequence[tuple[bytes | None, bytes | None, list[tuple[str, bytes | None]]]]
) -> None:
    async with AIOKafkaProducer(bootstrap_servers=servers) as producer:
        for key, value, headers in records:
            await producer.send_and_wait(TOPIC, value, key=key, headers=headers)


def set_offsets_to_zero(clinic: Clinic, groups: Sequence[str]) -> None:
    """As `kafka-consumer-groups --reset-offsets --to-earliest`: the groups' members must be gone."""
    asyncio.run(_set_all(bootstrap(clinic), groups))


async def _set_all(servers: str, groups: Sequence[str]) -> None:
    async with AIOKafkaConsumer(TOPIC, bootstrap_servers=servers) as consumer:
        places = list(consumer.assignment())
    await asyncio.gather(*(_set(servers, group, places) for group in groups))


async def _set(servers: str, group: str, places: list[TopicPartition]) -> None:
    async with (
        asyncio.timeout(GROUP_EMPTIES_WITHIN_SECONDS),
        AIOKafkaConsumer(bootstrap_servers=servers, group_id=group, enable_auto_commit=False) as consumer,
    ):
        consumer.assign(places)
        while True:
            try:
                await consumer.commit(dict.fromkeys(places, 0))
                return
            except KafkaError:  # a static member is remembered until its session ends
                await asyncio.sleep(0.5)
