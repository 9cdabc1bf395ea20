"""Real Kafka and real PostgreSQL for the whole session.

KAFKA_BOOTSTRAP_SERVERS and DATABASE_URL, when set, name servers to use instead of starting any.
"""

import asyncio
import os
import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import pytest

from clinic_lib.local.child import Child
from clinic_lib.local.kafka import Kafka
from clinic_lib.local.ports import free_port
from clinic_lib.local.postgresql import Postgresql
from clinic_lib.local.program import Program


@pytest.fixture(scope="session")
def kafka_bootstrap_servers(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Where Kafka listens, as `host:port`."""
    if given := os.environ.get("KAFKA_BOOTSTRAP_SERVERS"):
        yield given
        return
    kafka = Kafka(tmp_path_factory.mktemp("kafka"), free_port())
    with running(kafka, kafka.folder):
        yield kafka.bootstrap_servers


@pytest.fixture(scope="session")
def postgresql_url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The server's URL, as `postgresql://user@host:port/postgres`."""
    if given := os.environ.get("DATABASE_URL"):
        yield given
        return
    folder = tmp_path_factory.mktemp("postgresql")
    postgresql = Postgresql(folder / "postgresql", free_port())
    with running(postgresql, folder):
        yield postgresql.url
    shutil.rmtree(postgresql.folder.resolve())


@pytest.fixture(scope="session")
def servers(kafka_bootstrap_servers: str, postgresql_url: str) -> Mapping[str, str]:
    """The session's Kafka and PostgreSQL, as the environment names them."""
    return {"KAFKA_BOOTSTRAP_SERVERS": kafka_bootstrap_servers, "DATABASE_URL": postgresql_url}


@contextmanager
def running(program: Program, folder: Path) -> Iterator[Child]:
    """Runs the program on a loop of its own, which only turns while it starts and stops."""
    with asyncio.Runner() as runner:
        child = Child(program, folder / f"{program.name}.log", print)
        runner.run(child.start())
        try:
            yield child
        finally:
            runner.run(child.stop())
