"""A process of one of the shop's services, as the cluster runs it."""

import asyncio
import os
import socket
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Literal

import httpx2

from clinic_lib.crash_points import CrashPoint

ROOT = Path(__file__).parents[2]
Name = Literal["order", "seat", "page"]


class ServiceProcess:
    """`module` serves it as `serve_<name>`. `client` speaks to the public port, `admin` to the admin port."""

    def __init__(self, name: Name, environment: dict[str, str], module: str = "tests.core.shop") -> None:
        self.name = name
        self.module = module
        self.environment = environment
        self.port, self.admin_port = _free_port(), _free_port()
        self.client = httpx2.AsyncClient(base_url=f"http://127.0.0.1:{self.port}", timeout=20)
        self.admin = httpx2.AsyncClient(base_url=f"http://127.0.0.1:{self.admin_port}", timeout=20)
        self._process: asyncio.subprocess.Process | None = None

    async def start(self, crash_point: CrashPoint | None = None) -> None:
        environment = (
            os.environ | self.environment | {"PORT": str(self.port), "ADMIN_PORT": str(self.admin_port)}
        )
        if crash_point:
            environment["CLINIC_CRASH_POINT"] = crash_point
        self._process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "clinic_lib.server", f"{self.module}:serve_{self.name}"),
            cwd=ROOT,
            env=environment,
        )

    async def until(self, path: str, status: int, seconds: float = 30) -> None:
        """Wait until the admin port answers so."""
        async with asyncio.timeout(seconds):
            while True:
                try:
                    if (await self.admin.get(path)).status_code == status:
                        return
                except httpx2.TransportError:
                    pass
                await asyncio.sleep(0.05)

    async def died_of(self, seconds: float = 30) -> int:
        """The signal that ended it."""
        assert self._process is not None
        async with asyncio.timeout(seconds):
            return -await self._process.wait()

    async def stop(self) -> None:
        if self._process is not None and self._process.returncode is None:
            self._process.terminate()
            await self._process.wait()
        await self.client.aclose()
        await self.admin.aclose()


@asynccontextmanager
async def service_process(
    name: Name, *, database_url: str, kafka: str, crash_point: CrashPoint | None = None, **more: str
) -> AsyncIterator[ServiceProcess]:
    """Runs while the block does."""
    environment = {
        "DATABASE_URL": database_url,
        "KAFKA_BOOTSTRAP_SERVERS": kafka,
        "KAFKA_PARTITIONS": "3",
        "REPLICA": "1",
    }
    process = ServiceProcess(name, environment | {"LOG_LEVEL": "WARNING"} | more)
    await process.start(crash_point)
    try:
        yield process
    finally:
        await process.stop()


def _free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return int(listener.getsockname()[1])
