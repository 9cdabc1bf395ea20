"""All processes of one service, behind one port."""

import asyncio
from collections.abc import Mapping
from pathlib import Path

from clinic_lib.local.child import STOPS_WITHIN_S, Child
from clinic_lib.local.errors import StackError
from clinic_lib.local.ports import require_free
from clinic_lib.local.program import Say
from clinic_lib.local.project import ServiceDeclaration
from clinic_lib.local.replica import MOST_REPLICAS, Replica

__all__ = ["Replicas"]


class Replicas:
    """A service's children: one at first, more after `scale`."""

    def __init__(
        self,
        service: ServiceDeclaration,
        environment: Mapping[str, str],
        *,
        project: Path,
        logs: Path,
        say: Say,
    ) -> None:
        self.service = service
        self.children: list[Child] = []
        self._replicas: list[Replica] = []
        self._environment = environment
        self._project = project
        self._logs = logs
        self._say = say
        self._add()

    @property
    def processes(self) -> list[tuple[Replica, Child]]:
        """Each replica with the child that runs it."""
        return list(zip(self._replicas, self.children, strict=True))

    def require_ports(self) -> None:
        """Raises `StackError` when a port that they need is in use."""
        if not any(child.pid for child in self.children):
            require_free(self.service.port, self.service.name)
        for child in self.children:
            child.require_ports()

    async def start(self) -> None:
        """Starts those that do not run, and returns when all serve.

        Raises `StackError` that says why one does not.
        """
        self.require_ports()
        async with asyncio.TaskGroup() as starts:
            for child in self.children:
                starts.create_task(child.start())

    async def stop(self, within_s: float = STOPS_WITHIN_S) -> None:
        """Ends all of them."""
        await asyncio.gather(*(child.stop(within_s) for child in self.children))

    async def scale(self, replicas: int) -> None:
        """Ends the surplus, starts what is missing.

        Raises `StackError` as `start`, and for a number that can't be.
        """
        if not 1 <= replicas <= MOST_REPLICAS:
            raise StackError(
                f"A service has 1 to {MOST_REPLICAS} replicas, not {replicas}: end it by `clinic stop`."
            )
        surplus = self.children[replicas:]
        del self.children[replicas:], self._replicas[replicas:]
        while len(self.children) < replicas:
            self._add()
        await asyncio.gather(self.start(), *(child.stop() for child in surplus))

    def _add(self) -> None:
        number = len(self.children) + 1
        log = self._logs / (
            f"{self.service.name}.log" if number == 1 else f"{self.service.name}-{number}.log"
        )
        replica = Replica(self.service, number, folder=self._project, environment=self._environment)
        self._replicas.append(replica)
        self.children.append(Child(replica, log, self._say))
