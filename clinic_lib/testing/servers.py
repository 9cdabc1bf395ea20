"""The processes of a system under test: a Kafka and a PostgreSQL of its own, and replicas of each service."""

import asyncio
from collections.abc import AsyncIterator, Iterable, Mapping
from contextlib import asynccontextmanager
from pathlib import Path

from clinic_lib.local.child import Child
from clinic_lib.local.database import create_databases, database_url
from clinic_lib.local.folder import ClinicFolder
from clinic_lib.local.kafka import Kafka
from clinic_lib.local.postgresql import SUPERUSER, Postgresql
from clinic_lib.local.program import Program
from clinic_lib.local.project import ServiceDeclaration, System
from clinic_lib.local.replica import Replica
from clinic_lib.testing.ground import Ground
from clinic_lib.testing.ports import free_ports
from clinic_lib.testing.target import Target

__all__ = ["ADMIN_TOKEN", "running"]

ADMIN_TOKEN = "chaos"  # noqa: S105 - of processes on loopback that live as long as a test
SERVERS = ("kafka", "postgresql")


@asynccontextmanager
async def running(
    system: System, replicas: Mapping[str, int], *, project: Path, folder: ClinicFolder
) -> AsyncIterator[Ground]:
    """All serve inside the block and have ended after it; the data is erased, the logs stay.

    Raises `StackError`, in a group, when one does not serve.
    """
    folder.path.mkdir(mode=0o711)
    kafka = Kafka(folder.kafka, free_ports([0, 1]))
    postgresql = Postgresql(folder.postgresql, free_ports([0]))
    targets = {server.name: _target(server.name, server, folder.logs, {}) for server in (kafka, postgresql)}
    databases = {
        service.name: database_url(postgresql.url, service.name)
        for service in system.services
        if service.database
    }
    for service in system.services:
        servers = {"KAFKA_BOOTSTRAP_SERVERS": kafka.bootstrap_servers, "ADMIN_TOKEN": ADMIN_TOKEN}
        if service.database:
            servers |= {"DATABASE_URL": databases[service.name], "DATABASE_USER": SUPERUSER}
        for number in range(1, replicas.get(service.name, 1) + 1):
            target = _replica(service, number, project=project, logs=folder.logs, environment={**servers})
            targets[target.name] = target
    try:
        await _start(targets[name] for name in SERVERS)
        await create_databases(postgresql.url, databases)
        await _start(target for name, target in targets.items() if name not in SERVERS)
        yield Ground(kafka.bootstrap_servers, targets, databases)
    finally:
        await _end(targets)
        folder.erase()


def _target(name: str, program: Program, logs: Path, environment: dict[str, str]) -> Target:
    return Target(name, Child(program, logs / f"{name}.log", lambda what: None), environment)


def _replica(
    service: ServiceDeclaration, number: int, *, project: Path, logs: Path, environment: dict[str, str]
) -> Target:
    """One whose environment can be changed between two starts."""
    program = Replica(service, number, folder=project, environment=environment)
    return _target(f"{service.name}-{number}", program, logs, environment)


async def _start(targets: Iterable[Target]) -> None:
    async with asyncio.TaskGroup() as starts:
        for target in targets:
            starts.create_task(target.start())


async def _end(targets: Mapping[str, Target]) -> None:
    for target in targets.values():
        target.resume()
    await asyncio.gather(*(t.child.stop() for name, t in targets.items() if name not in SERVERS))
    await asyncio.gather(*(targets[name].child.stop() for name in SERVERS))
