"""One process of a service."""

import os
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import cast

import aiohttp

from clinic_lib.local.ports import LOOPBACK
from clinic_lib.local.program import Launch, Say
from clinic_lib.local.project import ServiceDeclaration
from clinic_lib.local.status import Declared

__all__ = ["MOST_REPLICAS", "Replica"]

ADMIN_PORT_OFFSET = 1000
REPLICA_PORT_OFFSET = 100
MOST_REPLICAS = 9


class Replica:
    """Replica `number` (1, 2, …) of a service; all share its port, each has its own admin port.

    `declared` is what it said of itself when it last began to serve.
    """

    def __init__(
        self, service: ServiceDeclaration, number: int, *, folder: Path, environment: Mapping[str, str]
    ) -> None:
        self.service = service
        self.number = number
        self.declared: Declared | None = None
        self._folder = folder
        self._environment = environment

    @property
    def name(self) -> str:
        return self.service.name

    @property
    def ports(self) -> tuple[int, ...]:
        return (self.admin_port,)

    @property
    def admin_port(self) -> int:
        return self.service.port + ADMIN_PORT_OFFSET + REPLICA_PORT_OFFSET * (self.number - 1)

    async def prepare(self, say: Say) -> Launch:
        """Needs nothing but its environment; what its declaration says there comes last."""
        return Launch(
            command=(sys.executable, "-m", "clinic_lib.server", self.service.app),
            folder=self._folder,
            environment={
                "LOG_LEVEL": os.environ.get("LOG_LEVEL", "INFO"),
                "PYTHONUNBUFFERED": "1",
                **self._environment,
                "HOST": LOOPBACK,
                "PORT": str(self.service.port),
                "ADMIN_HOST": LOOPBACK,
                "ADMIN_PORT": str(self.admin_port),
                "REPLICA": str(self.number),
                **self.service.env,
            },
        )

    async def why_not_serving(self) -> str | None:
        """It serves when its admin port says that it is ready."""
        admin = f"http://{LOOPBACK}:{self.admin_port}"
        try:
            async with aiohttp.ClientSession(admin, timeout=aiohttp.ClientTimeout(total=2)) as session:
                async with session.get("/health/ready") as answer:
                    if not answer.ok:
                        return f"{admin}/health/ready answers {answer.status} {await answer.text()}"
                self.declared = await self._ask_what_it_is(session)
                return None
        except (aiohttp.ClientError, TimeoutError) as exc:
            return f"{admin} does not answer ({exc or 'it takes too long'})"

    async def _ask_what_it_is(self, session: aiohttp.ClientSession) -> Declared | None:
        token = self._environment.get("ADMIN_TOKEN", "")
        async with session.get("/admin/service", headers={"Authorization": f"Bearer {token}"}) as answer:
            return cast("Declared", await answer.json()) if answer.ok else None
