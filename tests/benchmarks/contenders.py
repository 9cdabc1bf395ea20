"""Who is measured: the product, the floor, and peers that solve the same with another library."""

import asyncio
import json
import os
import subprocess
import sys
from asyncio.subprocess import DEVNULL, PIPE
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import asyncpg
from aiokafka.errors import KafkaError

from clinic_lib.local.spawn import die_with_parent
from tests.benchmarks import product
from tests.benchmarks.ground import PROJECT, Run, environment
from tests.benchmarks.product import SERVICES, Product
from tests.benchmarks.stopwatch import Result
from tests.benchmarks.workers import ending
from tests.benchmarks.workload import RECORDS, RunError

__all__ = ["PEERS", "TROUBLE", "Contender", "Floor", "Peer", "ProductVariant", "peers_are_installed"]

PEERS_PYTHON = Path(".venv-peers", "bin", "python")
"""In the project."""
PEERS = {
    "python-cqrs": "python_cqrs",
    "dbos": "dbos_peer",
    "eventsourcing": "eventsourcing_peer",
    "faststream-outbox": "faststream_outbox_peer",
}
ENDS_WITHIN_S = 300
TROUBLE = (
    RunError,
    *(OSError, KafkaError),
    *(asyncpg.PostgresError, asyncpg.InterfaceError, asyncpg.InternalClientError),
)
"""What a run ends with when it, or a server beneath it, fails: not a mistake in the benchmark."""


class Contender(Protocol):
    """Something that carries out orders."""

    @property
    def name(self) -> str: ...

    @property
    def databases(self) -> Sequence[str]:
        """The databases that are made for each of its runs."""

    async def measure(self, run: Run, sagas: int) -> Result:
        """One run of `sagas` orders. Whatever goes wrong stands in the result's gate."""


@dataclass(frozen=True)
class ProductVariant:
    """The product, with its services in as many processes as the variant says."""

    product: Product

    @property
    def name(self) -> str:
        return "product" if self.product.variant == "one process" else f"product, {self.product.variant}"

    @property
    def databases(self) -> Sequence[str]:
        return SERVICES

    async def measure(self, run: Run, sagas: int) -> Result:
        try:
            return await product.measure(run, sagas, self.product)
        except TROUBLE as exc:
            return Result(0.0, gate=[str(exc) or type(exc).__name__])


@dataclass(frozen=True)
class Script:
    """A program that is given the number of orders and prints its result as JSON."""

    name: str
    command: tuple[str, ...]
    databases: Sequence[str]

    async def measure(self, run: Run, sagas: int) -> Result:
        command, *arguments = (each.format(sagas=sagas) for each in self.command)
        process = await asyncio.create_subprocess_exec(
            command,
            *arguments,
            cwd=PROJECT,
            env=environment(run.environment),
            stdin=DEVNULL,
            stdout=PIPE,
            stderr=PIPE,
            start_new_session=True,
            preexec_fn=die_with_parent,
        )
        try:
            async with asyncio.timeout(ENDS_WITHIN_S):
                told, complaints = await process.communicate()
        except TimeoutError:
            told, complaints = b"", f"it had not ended after {ENDS_WITHIN_S} s".encode()
        finally:
            if process.returncode is None:
                process.kill()
                await process.wait()
        if process.returncode or not told.strip():
            last = complaints.decode(errors="replace").strip().splitlines()[-1:] or [ending(process)]
            return Result(0.0, gate=[f"{self.name} failed: {last[0]}"])
        return Result(**json.loads(told.splitlines()[-1]))


def Floor() -> Script:  # noqa: N802 - it makes one
    """The workload written by hand."""
    return Script(
        "floor", (sys.executable, "-m", "tests.benchmarks.floor", "{sagas}", str(RECORDS)), SERVICES
    )


def Peer(name: str) -> Script:  # noqa: N802 - it makes one
    """The workload with another library, out of its own environment."""
    return Script(
        name,
        (str(PROJECT / PEERS_PYTHON), "-m", f"tests.benchmarks.peers.{PEERS[name]}", "{sagas}"),
        ("peer",),
    )


def peers_are_installed(project: Path = PROJECT) -> bool:
    """Whether `scripts/install peers`, whose mark this compares, has nothing to do."""
    lock, mark = project / "requirements" / "peers.lock", project / ".venv-peers" / "installed-peers"
    if not os.access(project / PEERS_PYTHON, os.X_OK) or not mark.exists():
        return False
    content = lock.read_bytes() + (project / "pyproject.toml").read_bytes()
    fingerprint = subprocess.run(["cksum"], input=content, capture_output=True, check=True).stdout
    return mark.read_bytes().strip() == fingerprint.strip()
