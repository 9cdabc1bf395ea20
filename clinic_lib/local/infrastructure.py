"""Kafka and PostgreSQL: ours, or those that the environment names."""

import asyncio
import os
from collections.abc import Iterable, Mapping
from functools import partial

from clinic_lib.local.child import Child
from clinic_lib.local.database import create_databases, database_url
from clinic_lib.local.errors import StackError
from clinic_lib.local.folder import ClinicFolder
from clinic_lib.local.kafka import Kafka
from clinic_lib.local.ports import answers
from clinic_lib.local.postgresql import SUPERUSER, Postgresql
from clinic_lib.local.program import Program
from clinic_lib.local.progress import Progress
from clinic_lib.local.project import Project, ServiceDeclaration

__all__ = ["Infrastructure"]


class Infrastructure:
    """What the services stand on. `children` are the servers that are ours to start and stop."""

    def __init__(self, project: Project, folder: ClinicFolder, progress: Progress) -> None:
        kafka = Kafka(folder.kafka, project.kafka_port)
        postgresql = Postgresql(folder.postgresql, project.postgresql_port)
        self._given_kafka = os.environ.get("KAFKA_BOOTSTRAP_SERVERS")
        self._given_database = os.environ.get("DATABASE_URL")
        self.kafka_bootstrap_servers = self._given_kafka or kafka.bootstrap_servers
        self.server_url = self._given_database or postgresql.url
        ours: list[Program] = [kafka] if not self._given_kafka else []
        ours += [postgresql] if not self._given_database else []
        self.children = {
            program.name: Child(
                program, folder.logs / f"{program.name}.log", partial(progress.say, program.name)
            )
            for program in ours
        }

    def environment(self, service: ServiceDeclaration) -> Mapping[str, str]:
        """What a service has to know to find them."""
        environment = {"KAFKA_BOOTSTRAP_SERVERS": self.kafka_bootstrap_servers}
        if service.database:
            environment["DATABASE_URL"] = database_url(self.server_url, service.name)
            if not self._given_database:
                environment["DATABASE_USER"] = SUPERUSER  # one of another server may be set
        return environment

    async def start(self, databases: Iterable[str]) -> None:
        """Starts what is ours, at once, and makes the databases.

        Raises `StackError` that says what does not serve.
        """
        async with asyncio.TaskGroup() as starts:
            starts.create_task(self._start_kafka())
            starts.create_task(self._start_postgresql(databases))

    async def _start_kafka(self) -> None:
        if kafka := self.children.get("kafka"):
            await kafka.start()
            return
        host, _, port = self.kafka_bootstrap_servers.split(",")[0].strip().rpartition(":")
        if not port.isdecimal() or not await answers(int(port), host):
            raise StackError(
                f"KAFKA_BOOTSTRAP_SERVERS names {self.kafka_bootstrap_servers}, where nothing answers: "
                "start Kafka there, or unset the variable to have one started here."
            )

    async def _start_postgresql(self, databases: Iterable[str]) -> None:
        if postgresql := self.children.get("postgresql"):
            await postgresql.start()
        await create_databases(self.server_url, databases)
