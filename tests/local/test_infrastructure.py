"""Kafka and PostgreSQL that the stack starts itself."""

import asyncio
import os
import signal
import socket
import time
from collections.abc import Mapping
from pathlib import Path

import asyncpg
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer
from aiokafka.admin import AIOKafkaAdminClient, NewTopic

from tests.local.conftest import Clinic, processes_of, project

TOPIC = "kept"


async def test_both_come_back_with_their_data_after_a_kill_and_leave_nothing_behind(clinic: Clinic) -> None:
    with clinic.up("--infrastructure") as supervisor:
        assert clinic.states() == {"kafka": "running", "postgresql": "running"}
        kafka, postgresql = (
            f"127.0.0.1:{clinic.port + 3}",
            f"postgresql://postgres@127.0.0.1:{clinic.port + 5}",
        )
        await _write(kafka, postgresql)

        for name in ("kafka", "postgresql"):
            os.kill(clinic.pid(name), signal.SIGKILL)
        for name in ("kafka", "postgresql"):
            started = clinic("start", name)
            assert started.returncode == 0, started.stderr

        assert await _read(kafka, postgresql) == (b"a record", "a row")
        assert processes_of(clinic.folder)

        supervisor.kill()
        deadline = time.monotonic() + 5
        while processes_of(clinic.folder):
            assert time.monotonic() < deadline, "a process outlived the killed supervisor"
            await asyncio.sleep(0.1)

    with clinic.up("--infrastructure"):
        assert await _read(kafka, postgresql) == (b"a record", "a row")


def test_a_server_that_is_named_and_away_is_said_at_once(tmp_path: Path, servers: Mapping[str, str]) -> None:
    with socket.create_server(("127.0.0.1", 0)) as closed:
        address = f"127.0.0.1:{closed.getsockname()[1]}"
    clinic = project(tmp_path, {**servers, "KAFKA_BOOTSTRAP_SERVERS": address})

    refused = clinic("up")

    assert refused.returncode == 1
    assert f"KAFKA_BOOTSTRAP_SERVERS names {address}, where nothing answers" in refused.stderr


async def _write(kafka: str, postgresql: str) -> None:
    admin = AIOKafkaAdminClient(bootstrap_servers=kafka)
    await admin.start()
    await admin.create_topics([NewTopic(TOPIC, 1, 1)])
    await admin.close()
    async with AIOKafkaProducer(bootstrap_servers=kafka) as producer:
        await producer.send_and_wait(TOPIC, b"a record")
    connection = await asyncpg.connect(postgresql)
    await connection.execute("create table kept as select 'a row' as text")
    await connection.close()


async def _read(kafka: str, postgresql: str) -> tuple[bytes | None, str]:
    async with AIOKafkaConsumer(TOPIC, bootstrap_servers=kafka, auto_offset_reset="earliest") as consumer:
        record = await consumer.getone()
    connection = await asyncpg.connect(postgresql)
    row = await connection.fetchval("select text from kept")
    await connection.close()
    return record.value, row
