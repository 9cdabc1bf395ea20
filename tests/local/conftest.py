"""A project of its own for each test, and the `clinic` command run in it as a process."""

import json
import os
import random
import signal
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any

import psutil
import pytest

from clinic_lib.local.errors import StackError
from clinic_lib.local.folder import ClinicFolder
from clinic_lib.local.ports import require_free

APP = """
import asyncio, os
from contextlib import asynccontextmanager
from starlette.applications import Starlette
from starlette.responses import PlainTextResponse
from starlette.routing import Route
from clinic_lib.admin import admin_server
from clinic_lib.settings import AdminSettings

@asynccontextmanager
async def lifespan(app):
    print("tiny began", flush=True)
    async with admin_server(AdminSettings(), ready=lambda: None):
        yield

async def who(request):
    return PlainTextResponse(os.environ["REPLICA"])

app = Starlette(routes=[Route("/", who)], lifespan=lifespan)

def demo(base_url):
    print("told", base_url)
    return 7
"""

PROJECT = """
[tool.clinic]
kafka_port = {kafka}
postgresql_port = {postgresql}
[tool.clinic.systems.tiny]
gateway = "tiny"
demo = "tiny:demo"
services = [
    {{ name = "tiny", app = "tiny:app", port = {tiny} }},
    {{ name = "other", app = "tiny:app", port = {other}, database = false }},
]
[tool.clinic.systems.broken]
services = [{{ name = "typo", app = "no_such_module:app", port = {typo}, database = false }}]
"""

SERVER_VARIABLES = (
    *("KAFKA_BOOTSTRAP_SERVERS", "DATABASE_URL", "OTEL_EXPORTER_OTLP_ENDPOINT"),
    *("PROMETHEUS_URL", "JAEGER_URL", "GRAFANA_URL", "GRAFANA_TOKEN"),
)


class Clinic:
    """The `clinic` command in a project's folder."""

    def __init__(self, folder: Path, port: int, servers: Mapping[str, str]) -> None:
        self.folder = folder
        self.port = port
        outside = {name: value for name, value in os.environ.items() if name not in SERVER_VARIABLES}
        self._environment = {**outside, "PYTHONPATH": str(Path(__file__).parents[2]), **servers}

    def __call__(self, *arguments: str) -> "subprocess.CompletedProcess[str]":
        return subprocess.run(
            self._command(*arguments),
            cwd=self.folder,
            env=self._environment,
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )

    @contextmanager
    def up(self, *arguments: str, stderr: IO[str] | None = None) -> Iterator["subprocess.Popen[str]"]:
        """Everything serves inside the block, and has ended after it."""
        process = subprocess.Popen(
            self._command("up", *arguments),
            cwd=self.folder,
            env=self._environment,
            stdout=subprocess.PIPE,
            stderr=stderr,
            text=True,
        )
        assert process.stdout
        try:
            lines = iter(process.stdout.readline, "")
            assert any(line.startswith("ready") for line in lines), "it never said ready"
            yield process
        finally:
            process.send_signal(signal.SIGTERM)
            process.communicate(timeout=15)

    def status(self) -> dict[str, list[dict[str, Any]]]:
        answer: dict[str, list[dict[str, Any]]] = json.loads(self("status", "--json").stdout)
        return answer

    def states(self) -> dict[str, str]:
        return {name: entry["state"] for name, entry in self._entries().items()}

    def pid(self, name: str) -> int:
        pid: int = self._entries()[name]["pid"]
        return pid

    def _entries(self) -> dict[str, dict[str, Any]]:
        status = self.status()
        return {entry["name"]: entry for entry in status["services"] + status["infrastructure"]}

    def _command(self, *arguments: str) -> list[str]:
        return [sys.executable, "-m", "clinic_lib.cli", *arguments]


@pytest.fixture
def clinic(tmp_path: Path) -> Iterator[Clinic]:
    """In a project with two tiny services, which starts its own Kafka and PostgreSQL."""
    yield project(tmp_path, {})
    ClinicFolder(tmp_path).erase()


@pytest.fixture
def clinic_beside(tmp_path: Path, servers: Mapping[str, str]) -> Clinic:
    """The same project on the session's servers; a test may do with it what it likes."""
    return project(tmp_path, servers)


@pytest.fixture(scope="module")
def running_clinic(tmp_path_factory: pytest.TempPathFactory, servers: Mapping[str, str]) -> Iterator[Clinic]:
    """The same, running, for tests that leave it as it was."""
    clinic = project(tmp_path_factory.mktemp("running"), servers)
    with clinic.up():
        yield clinic


def project(folder: Path, servers: Mapping[str, str]) -> Clinic:
    """A project with two tiny services and a broken one, on the servers named or on its own."""
    port = _free_ports()
    ports = {"tiny": port, "other": port + 1, "typo": port + 2, "kafka": port + 3, "postgresql": port + 5}
    (folder / "pyproject.toml").write_text(PROJECT.format(**ports))
    (folder / "tiny.py").write_text(APP)
    return Clinic(folder, port, servers)


def _free_ports() -> int:
    """The first of some below the range that the system hands out itself."""
    while True:
        port = random.randrange(20_000, 30_000, 10)
        try:
            for offset in (0, 1, 2, 3, 4, 5, 1000, 1001, 1002, 1100, 1101):
                require_free(port + offset, "a test")
        except StackError:
            continue
        return port


def processes_of(folder: Path) -> list[psutil.Process]:
    """All that run in it, or in PostgreSQL's folder that it links to."""
    folders = (str(folder), str((folder / ".clinic" / "postgresql").resolve()))
    return [
        process for process in psutil.process_iter(["cwd"]) if (process.info["cwd"] or "").startswith(folders)
    ]
