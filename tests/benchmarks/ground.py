"""The servers that a benchmark runs on, and what each run has on them, which goes with it.

The servers are those that KAFKA_BOOTSTRAP_SERVERS and DATABASE_URL name, otherwise ones of our own, with their data
on the project's disk and fsync on.
"""

import asyncio
import os
import shutil
import tempfile
from collections.abc import AsyncIterator, Collection, Coroutine, Mapping, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any
from uuid import uuid4

import asyncpg
from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.protocol.admin import DeleteGroupsRequest

from clinic_lib.local.child import Child, State
from clinic_lib.local.database import create_databases, database_url
from clinic_lib.local.errors import StackError
from clinic_lib.local.folder import ClinicFolder
from clinic_lib.local.infrastructure import Infrastructure
from clinic_lib.local.progress import Progress
from clinic_lib.local.project import read_project
from clinic_lib.testing.ports import free_ports
from tests.benchmarks.stopwatch import KAFKA_PID, POSTGRESQL_PID

__all__ = ["PROJECT", "Run", "Servers", "clear_after_the_dead", "fresh_run", "in_full", "servers"]

PROJECT = Path(__file__).parents[2]
GROUPS_ARE_EMPTY_WITHIN_S = 12.0  # a session lasts ten seconds


@dataclass(frozen=True)
class Servers:
    """Where Kafka and PostgreSQL are, and what can be seen of those that are ours: PostgreSQL's log, Kafka's data, and
    their processes by the names of environment variables.
    """

    kafka: str
    postgresql: str
    log: Path | None = None
    kafka_data: Path | None = None
    processes: Mapping[str, str] = field(default_factory=dict)

    @property
    def environment(self) -> dict[str, str]:
        return {"KAFKA_BOOTSTRAP_SERVERS": self.kafka, "DATABASE_URL": self.postgresql, **self.processes}


@dataclass(frozen=True)
class Run:
    """One run's own databases, topics and consumer groups: their names end in `name`."""

    name: str
    servers: Servers

    @property
    def environment(self) -> dict[str, str]:
        """What the processes of the run are told."""
        return {**self.servers.environment, "BENCHMARK_RUN": self.name}

    def database(self, service: str) -> str:
        return database_url(self.servers.postgresql, f"{service}_{self.name}")

    def kafka_bytes(self) -> int:
        """What its topics take on Kafka's disk; 0 where that is not ours."""
        if self.servers.kafka_data is None:
            return 0
        # not below folders of earlier runs: Kafka is removing them
        return sum(path.stat().st_size for path in self.servers.kafka_data.glob(f"data/*{self.name}-*/*.log"))


@asynccontextmanager
async def servers() -> AsyncIterator[Servers]:
    """Those of the environment, or our own while the block lasts; their data goes with them.

    Raises `StackError`, in a group, when one does not serve, and alone as soon as one of our own dies.
    """
    project = read_project(PROJECT)
    assert project
    (PROJECT / ".clinic").mkdir(mode=0o711, exist_ok=True)
    kafka_port = free_ports([0, 1])
    ported = replace(project, kafka_port=kafka_port, postgresql_port=free_ports([0]))
    clear_after_the_dead(PROJECT / ".clinic")
    folder = ClinicFolder(Path(tempfile.mkdtemp(prefix="bench-", dir=PROJECT / ".clinic")))
    folder.path.parent.chmod(0o711)  # PostgreSQL's user has to pass through
    with folder.locked():
        infrastructure = Infrastructure(ported, folder, Progress())
        try:
            await infrastructure.start([])
            ours = infrastructure.children
            processes = {KAFKA_PID: ours.get("kafka"), POSTGRESQL_PID: ours.get("postgresql")}
            started = {name: str(child.pid) for name, child in processes.items() if child}
            os.environ |= started  # the stopwatch may run in this process
            async with _need_alive(ours.values()):
                yield Servers(
                    infrastructure.kafka_bootstrap_servers,
                    infrastructure.server_url,
                    ours["postgresql"].log if "postgresql" in ours else None,
                    folder.kafka if "kafka" in ours else None,
                    started,
                )
        finally:
            await in_full(_end(infrastructure, folder))


@asynccontextmanager
async def _need_alive(children: Collection[Child]) -> AsyncIterator[None]:
    """Ends the block as soon as a server ends by itself, with a `StackError`."""
    try:
        async with asyncio.timeout(None) as block:
            for child in children:
                child.on_death = lambda: block.reschedule(0)
            yield
    except Exception as exc:  # whatever the block says of it, that is why
        for child in children:
            if child.state is State.DEAD:
                raise StackError(
                    f"{child.program.name}, which was started for this run, died ({child.detail}), so the run is over "
                    f"and nothing was written. The last lines of its log:\n{child.tail()}"
                ) from exc
        raise


async def _end(infrastructure: Infrastructure, folder: ClinicFolder) -> None:
    try:
        await asyncio.gather(*(child.stop() for child in infrastructure.children.values()))
    finally:
        _remove(folder)


def clear_after_the_dead(folder: Path) -> None:
    """Remove what runs left behind in `folder` that were killed: nobody holds the lock in it any more."""
    for lock in folder.glob("bench-*/.clinic/lock"):
        left = ClinicFolder(lock.parents[1])
        with suppress(StackError), left.locked():
            _remove(left)


def _remove(folder: ClinicFolder) -> None:
    folder.erase()
    shutil.rmtree(folder.path.parent)


@asynccontextmanager
async def fresh_run(on: Servers, databases: Sequence[str]) -> AsyncIterator[Run]:
    """Databases of these names for one run; they, its topics and its consumer groups are gone after it."""
    run = Run(f"bench_{uuid4().hex[:8]}", on)
    try:
        await create_databases(on.postgresql, [f"{name}_{run.name}" for name in databases])
        yield run
    finally:
        await in_full(_clear(run))


async def in_full(clearing: Coroutine[Any, Any, None]) -> None:
    """Clear up to the end, also when the task is cancelled meanwhile, which it is told of afterwards."""
    task, cancelled = asyncio.ensure_future(clearing), False
    while not task.done():
        try:
            await asyncio.wait({task})
        except asyncio.CancelledError:
            cancelled = True
    task.result()
    if cancelled:
        raise asyncio.CancelledError


def environment(more: Mapping[str, str]) -> dict[str, str]:
    """This process's environment without what is meant for services elsewhere, and `more`."""
    ours = {name: value for name, value in os.environ.items() if not name.startswith(("KAFKA_", "DATABASE_"))}
    return {**ours, "PYTHONPATH": str(PROJECT), **more}


async def _clear(run: Run) -> None:
    try:
        await _drop_databases(run)
    finally:
        await _clear_kafka(run)


async def _drop_databases(run: Run) -> None:
    connection = await asyncpg.connect(run.servers.postgresql)
    try:
        names = await connection.fetch(
            "select datname from pg_database where datname like $1", f"%{run.name}"
        )
        for (name,) in names:
            await connection.execute(f'drop database "{name}" with (force)')
    finally:
        await connection.close()


async def _clear_kafka(run: Run) -> None:
    admin = AIOKafkaAdminClient(bootstrap_servers=run.servers.kafka)
    await admin.start()
    try:
        if topics := [name for name in await admin.list_topics() if name.endswith(run.name)]:
            await admin.delete_topics(topics)
        if run.servers.kafka_data is None:  # groups of our own Kafka go with it
            await _delete_groups(admin, run.name)
    finally:
        await admin.close()


async def _delete_groups(admin: AIOKafkaAdminClient, ending: str) -> None:
    """Those that end so; members that were killed stay until their sessions are over, and it waits for them."""
    with suppress(TimeoutError):
        async with asyncio.timeout(GROUPS_ARE_EMPTY_WITHIN_S):
            while groups := [
                name for name, *_ in await admin.list_consumer_groups() if name.endswith(ending)
            ]:
                for name in groups:
                    coordinator = await admin.find_coordinator(name)
                    await admin._send_request(DeleteGroupsRequest([name]), coordinator)
                await asyncio.sleep(0.2)
