"""The systems as people meet them: processes on ports, the `clinic` command, visits and orders over HTTP."""

import json
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from threading import Barrier
from typing import Any, TypeVar

import httpx2

from clinic_lib.local.project import Project, System, read_project

__all__ = [
    "DEADLINE_SECONDS",
    "PORT_OFFSET",
    "Clinic",
    "Order",
    "Visit",
    "at_once",
    "create_seats",
    "eventually",
    "free_seats",
    "running_clinic",
]

Result = TypeVar("Result")

ROOT = Path(__file__).parents[2]
PORT_OFFSET = int(os.environ.get("CLINIC_TEST_PORT_OFFSET", "22000"))
"""Added to every port, so that the suite runs beside a clinic that is up, and beside another suite."""

ADMIN_TOKEN = "for the tests"
DEADLINE_SECONDS = 10
"""Of an order, so that a test can wait for it; far beyond what a busy machine takes to confirm one."""

EXTRA = {"order": {"SAGA_DEADLINE_SECONDS": str(DEADLINE_SECONDS)}}
LOCAL_PORT = re.compile(r"(127\.0\.0\.1:)(\d+)")
SEEN_WITHIN_SECONDS = 1.0
KAFKA_PORT, POSTGRESQL_PORT = 7092, 5432
"""Before the offset is added; 9092 would be the admin port of the service on 8092."""


@dataclass(frozen=True)
class Clinic:
    """A running `clinic up` in `folder`."""

    folder: Path
    project: Project
    environment: Mapping[str, str]

    @property
    def ports(self) -> dict[str, int]:
        systems = self.project.systems.values()
        return {service.name: service.port for system in systems for service in system.services}

    def gateway_of(self, service: str) -> str:
        """The gateway of the system that a service belongs to."""
        return next(
            system.gateway
            for system in self.project.systems.values()
            if service in [each.name for each in system.services]
        )

    def url(self, service: str) -> str:
        return f"http://127.0.0.1:{self.ports[service]}"

    def client(self, service: str = "gateway") -> httpx2.Client:
        return httpx2.Client(base_url=self.url(service), timeout=10)

    def admin(self, service: str, path: str) -> dict[str, Any]:
        """What a service answers on its admin port."""
        address = f"http://127.0.0.1:{self.ports[service] + 1000}/admin{path}"
        answer = httpx2.get(address, headers={"Authorization": f"Bearer {ADMIN_TOKEN}"}, timeout=10)
        return dict(answer.raise_for_status().json())

    def run(self, *arguments: str) -> str:
        """What `clinic …` prints; it must end well."""
        finished = subprocess.run(
            [sys.executable, "-m", "clinic_lib.cli", *arguments],
            cwd=self.folder,
            env=self.environment,
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
        assert finished.returncode == 0, finished.stdout + finished.stderr
        return finished.stdout

    def pids(self, name: str) -> list[int]:
        status = json.loads(self.run("status", "--json"))
        entries = status["services"] + status["infrastructure"]
        return [entry["pid"] for entry in entries if entry["name"] == name and entry["pid"]]

    def kill(self, name: str) -> None:
        """As by `kill -9`: every process of a service, Kafka or PostgreSQL."""
        pids = self.pids(name)
        assert pids, f"{name} does not run"
        for pid in pids:
            os.kill(pid, signal.SIGKILL)
        eventually(lambda: self.pids(name) == [] or None, within=5)


@contextmanager
def running_clinic(
    folder: Path, *systems: str, variables: Mapping[str, str] | None = None
) -> Iterator[Clinic]:
    """Runs the project's systems of these names, all without any, in `folder`, on ports of their own; `variables`
    are added to the environment of all.
    """
    write_project(folder, systems)
    project = read_project(folder)
    assert project is not None
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "ADMIN_TOKEN": ADMIN_TOKEN, **(variables or {})}
    with (
        (folder / "up.log").open("w") as log,
        subprocess.Popen(
            [sys.executable, "-m", "clinic_lib.cli", "up", "--all"],
            cwd=folder,
            env=environment,
            stdout=subprocess.PIPE,
            stderr=log,
            text=True,
        ) as up,
    ):
        try:
            assert up.stdout is not None
            ready = up.stdout.readline()
            assert ready.startswith("ready"), (folder / "up.log").read_text()
            yield Clinic(folder, project, environment)
        finally:
            up.terminate()
            up.wait(15)


def write_project(folder: Path, systems: Sequence[str]) -> None:
    """The project's own `[tool.clinic]` with every port moved."""
    project = read_project(ROOT)
    assert project is not None
    lines = [
        "[tool.clinic]",
        f"kafka_port = {KAFKA_PORT + PORT_OFFSET}",
        f"postgresql_port = {POSTGRESQL_PORT + PORT_OFFSET}",
    ]
    for name in systems or project.systems:
        lines += declaration(name, project.system(name))
    (folder / "pyproject.toml").write_text("\n".join(lines) + "\n")


def declaration(name: str, system: System) -> Iterator[str]:
    def move(address: re.Match[str]) -> str:
        return address[1] + str(int(address[2]) + PORT_OFFSET)

    yield f"[tool.clinic.systems.{name}]"
    yield f"gateway = {json.dumps(system.gateway)}"
    for service in system.services:
        yield f"[[tool.clinic.systems.{name}.services]]"
        fields = service.model_dump(exclude={"env"}) | {"port": service.port + PORT_OFFSET}
        yield from (f"{key} = {json.dumps(value)}" for key, value in fields.items())
        for variable, value in {**service.env, **EXTRA.get(service.name, {})}.items():
            yield f"env.{variable} = {json.dumps(re.sub(LOCAL_PORT, move, value))}"


def eventually(look: Callable[[], Result | None], *, within: float = SEEN_WITHIN_SECONDS) -> Result:
    """The first result that is not None; asks for at most `within` seconds."""
    deadline = time.monotonic() + within
    while (result := look()) is None:
        assert time.monotonic() < deadline, f"did not come within {within} s"
        time.sleep(0.02)
    return result


def at_once(*requests: Callable[[], httpx2.Response]) -> list[httpx2.Response]:
    """The answers to requests that start together."""
    start = Barrier(len(requests))

    def send(request: Callable[[], httpx2.Response]) -> httpx2.Response:
        start.wait()
        return request()

    with ThreadPoolExecutor(len(requests)) as pool:
        return list(pool.map(send, requests))


def do(client: httpx2.Client, path: str, **body: object) -> dict[str, Any]:
    response = client.post(path, json=body)
    assert response.is_success, f"{path}: {response.status_code} {response.text}"
    return dict(response.json())


def show(client: httpx2.Client, path: str) -> dict[str, Any] | None:
    """A resource, or None while there is none."""
    response = client.get(path)
    assert response.status_code in (200, 404), response.text
    return dict(response.json()) if response.status_code == httpx2.codes.OK else None


def end_as(look: Callable[[], tuple[str, ...]], statuses: tuple[str, ...], within: float) -> None:
    """Wait until `look` sees `statuses`."""
    deadline = time.monotonic() + within
    while (seen := look()) != statuses:
        assert time.monotonic() < deadline, f"{seen}, not {statuses} within {within} s"
        time.sleep(0.02)


class Visit:
    """One patient's visit, driven through a client. Each method is what one person does."""

    def __init__(self, client: httpx2.Client, name: str = "Ada Byron") -> None:
        self._client = client
        patient = {"name": name, "birth_date": "1985-12-10"}
        self.id: int = self._do("/receptions", patient=patient, symptoms="cough")["id"]

    def cancel(self) -> None:
        self._do(f"/receptions/{self.id}/cancellation", reason="went home")

    def prescribe(self, examination: str = "X-ray") -> None:
        self._do(f"/diagnoses/{self.id}/prescription", examination=examination)

    def complete(self) -> None:
        self._do(f"/diagnoses/{self.id}/completion", opinion="a cold")

    def reject(self) -> None:
        self._do(f"/diagnoses/{self.id}/rejection", reason="not ours")

    def give_result(self, examination_id: int) -> None:
        self._do(f"/examinations/{examination_id}/result", finding="clear")

    def refuse(self, examination_id: int) -> None:
        self._do(f"/examinations/{examination_id}/cancellation", reason="no film")

    def wait_for_the_doctor(self, within: float = SEEN_WITHIN_SECONDS) -> None:
        eventually(lambda: self.show("diagnoses"), within=within)

    def created_examination(self, within: float = SEEN_WITHIN_SECONDS) -> int:
        """The id of an examination that waits for the examiner."""
        return eventually(lambda: next(iter(self.examinations("created")), None), within=within)

    def examinations(self, status: str) -> list[int]:
        page = self._client.get("/examinations", params={"reception_id": self.id}).json()
        return [each["id"] for each in page["items"] if each["status"] == status]

    def show(self, collection: str) -> dict[str, Any] | None:
        return show(self._client, f"/{collection}/{self.id}")

    def statuses(self) -> tuple[str, ...]:
        """What reception, diagnosis and patient management say; empty for what one does not know yet."""
        views = [self.show(name) for name in ("receptions", "diagnoses", "patientManagements")]
        return tuple(view["status"] if view else "" for view in views)

    def ends_as(self, *statuses: str, within: float = SEEN_WITHIN_SECONDS) -> None:
        """Wait until reception, diagnosis and patient management say `statuses`."""
        end_as(self.statuses, statuses, within)

    def _do(self, path: str, **body: object) -> dict[str, Any]:
        return do(self._client, path, **body)


def create_seats(client: httpx2.Client, seats: int, name: str = "Stalls A") -> int:
    """The id of a new block of seats."""
    return int(do(client, "/seats", name=name, seats=seats)["id"])


def free_seats(client: httpx2.Client, block: int) -> int:
    shown = show(client, f"/seats/{block}")
    assert shown is not None
    return int(shown["free"])


class Order:
    """One customer's order, driven through a client."""

    def __init__(self, client: httpx2.Client, block: int, quantity: int, customer: str = "Ada Byron") -> None:
        self._client = client
        placed = do(client, "/orders", seat_id=block, quantity=quantity, customer=customer)
        self.id: int = placed["id"]

    def cancel(self) -> None:
        do(self._client, f"/orders/{self.id}/cancellation")

    def show(self, collection: str) -> dict[str, Any] | None:
        return show(self._client, f"/{collection}/{self.id}")

    def statuses(self) -> tuple[str, ...]:
        """What the order and my page say; empty for what one does not know yet."""
        views = [self.show(name) for name in ("orders", "myPages")]
        return tuple(view["status"] if view else "" for view in views)

    def ends_as(self, status: str, within: float = SEEN_WITHIN_SECONDS) -> None:
        """Wait until the order and my page say `status`."""
        end_as(self.statuses, (status, status), within)
