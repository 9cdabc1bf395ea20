"""All children of a running `clinic up`, by name."""

import asyncio
from collections.abc import Iterator, Sequence
from functools import partial

from clinic_lib.local.child import Child
from clinic_lib.local.errors import StackError
from clinic_lib.local.folder import ClinicFolder
from clinic_lib.local.infrastructure import Infrastructure
from clinic_lib.local.observation import Observation
from clinic_lib.local.observe_files import Target
from clinic_lib.local.progress import Progress
from clinic_lib.local.project import Project, System
from clinic_lib.local.replicas import Replicas
from clinic_lib.local.status import InfrastructureStatus, ServiceStatus, Status

__all__ = ["Stack"]

# Together under the ten seconds within which everything has to end.
SERVICES_STOP_WITHIN_S = 5.0
INFRASTRUCTURE_STOPS_WITHIN_S = 3.0


class Stack:
    """The services of some systems, what they stand on, and what looks at them, if anything does."""

    def __init__(
        self,
        project: Project,
        systems: Sequence[System],
        folder: ClinicFolder,
        progress: Progress,
        observation: Observation | None = None,
    ) -> None:
        self.infrastructure = Infrastructure(project, folder, progress)
        self._progress = progress
        self._observation = observation
        given = {"ADMIN_TOKEN": folder.make_admin_token(), **(observation.environment if observation else {})}
        self._services = {
            service.name: Replicas(
                service,
                {**self.infrastructure.environment(service), **given},
                project=project.folder,
                logs=folder.logs,
                say=partial(progress.say, service.name),
            )
            for system in systems
            for service in system.services
        }

    async def start_all(self) -> None:
        """Returns when all serve.

        Raises `StackError`s, in a group, that say what does not.
        """
        for started in self._all().values():
            started.require_ports()  # all of them before anything starts: an answer at once
        databases = [each.service.name for each in self._services.values() if each.service.database]
        async with asyncio.TaskGroup() as starts:
            starts.create_task(self.infrastructure.start(databases))
            if self._observation:
                starts.create_task(self._observation.start(self._targets()))
        async with asyncio.TaskGroup() as starts:
            for name in self._services:
                starts.create_task(self.start(name))

    async def stop_all(self) -> None:
        """Ends the services, then what they stand on, within ten seconds."""
        await asyncio.gather(*(replicas.stop(SERVICES_STOP_WITHIN_S) for replicas in self._services.values()))
        servers = self._servers().values()
        await asyncio.gather(*(child.stop(INFRASTRUCTURE_STOPS_WITHIN_S) for child in servers))

    async def start(self, name: str) -> None:
        """Starts what does not run of `name`, and returns when it serves.

        Raises `StackError`.
        """
        await self._named(name).start()

    async def stop(self, name: str) -> None:
        """Ends `name`. Raises `StackError` for an unknown name."""
        await self._named(name).stop()

    async def scale(self, name: str, replicas: int) -> None:
        """Runs so many replicas of the service. Raises `StackError`."""
        service = self._named(name)
        if not isinstance(service, Replicas):
            raise StackError(f"{name} runs once: only services have replicas.")
        try:
            await service.scale(replicas)
        finally:
            if self._observation:
                self._observation.follow(self._targets())

    def status(self) -> Status:
        """Of every child."""
        return Status(
            services=[
                ServiceStatus(
                    **_status(child),
                    port=replicas.service.port,
                    admin_port=replica.admin_port,
                    declared=replica.declared,
                )
                for replicas in self._services.values()
                for replica, child in replicas.processes
            ],
            infrastructure=[*map(_status, self.infrastructure.children.values()), *self._observing()],
        )

    def _observing(self) -> Iterator[InfrastructureStatus]:
        """What looks at the stack, also what is not ours."""
        if self._observation:
            for name, url in self._observation.urls.items():
                child = self._observation.children.get(name)
                known = (
                    _status(child)
                    if child
                    else InfrastructureStatus(name=name, pid=None, state="elsewhere", detail="")
                )
                yield {**known, "url": url}

    def _targets(self) -> list[Target]:
        return [
            Target(each.service.name, replica.admin_port)
            for each in self._services.values()
            for replica, _ in each.processes
        ]

    def _servers(self) -> dict[str, Child]:
        return {
            **self.infrastructure.children,
            **(self._observation.children if self._observation else {}),
        }

    def _all(self) -> dict[str, Child | Replicas]:
        return {**self._servers(), **self._services}

    def _named(self, name: str) -> Child | Replicas:
        known = self._all()
        if name not in known:
            raise StackError(f"There is no {name} in the stack that runs: it has {', '.join(known)}.")
        return known[name]


def _status(child: Child) -> InfrastructureStatus:
    return InfrastructureStatus(
        name=child.program.name, pid=child.pid, state=child.state, detail=child.detail
    )
