"""The whole clinic as people meet it: processes on ports, the `clinic` command, and visits over HTTP."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import httpx2

from clinic_lib.local.project import Project, read_project

__all__ = ["PORT_OFFSET", "Clinic", "Visit", "eventually", "running_clinic"]

Result = TypeVar("Result")

ROOT = Path(__file__).parents[2]
PORT_OFFSET = 22_000
"""Added to every port, so that the suite runs beside a clinic that is up."""

SEEN_WITHIN_SECONDS = 1.0
KAFKA_PORT = 9092
POSTGRESQL_PORT = 5432


@dataclass(frozen=True)
class Clinic:
    """A running `clinic up` in `folder`."""

    folder: Path
    project: Project
    environment: Mapping[str, str]

    @property
    def ports(self) -> dict[str, int]:
        return {service.name: service.port for service in self.project.system("clinic").services}

    def url(self, service: str) -> str:
        return f"http://127.0.0.1:{self.ports[service]}"

    def client(self, service: str = "gateway") -> httpx2.Client:
        return httpx2.Client(base_url=self.url(service), timeout=10)

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
def running_clinic(folder: Path) -> Iterator[Clinic]:
    """Runs the project's clinic in `folder`, on its own ports."""
    write_project(folder)
    project = read_project(folder)
    assert project is not None
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    with (
        (folder / "up.log").open("w") as log,
        subprocess.Popen(
            [sys.executable, "-m", "clinic_lib.cli", "up", "clinic"],
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


def write_project(folder: Path) -> None:
    """The project's own `[tool.clinic]` with every port moved."""
    project = read_project(ROOT)
    assert project is not None
    services = project.system("clinic").services
    moved = {str(service.port): str(service.port + PORT_OFFSET) for service in services}
    lines = [
        "[tool.clinic]",
        f"kafka_port = {KAFKA_PORT + PORT_OFFSET}",
        f"postgresql_port = {POSTGRESQL_PORT + PORT_OFFSET}",
        "[tool.clinic.systems.clinic]",
    ]
    for service in services:
        lines += ["[[tool.clinic.systems.clinic.services]]"]
        lines += [
            f"{key} = {json.dumps(value)}" for key, value in service.model_dump(exclude={"env"}).items()
        ]
        lines += [f"env.{name} = {json.dumps(value)}" for name, value in service.env.items()]
    text = "\n".join(lines)
    for old, new in moved.items():
        text = text.replace(f"port = {old}", f"port = {new}").replace(f"127.0.0.1:{old}", f"127.0.0.1:{new}")
    (folder / "pyproject.toml").write_text(text + "\n")


def eventually(look: Callable[[], Result | None], *, within: float = SEEN_WITHIN_SECONDS) -> Result:
    """The first result that is not None; asks for at most `within` seconds."""
    deadline = time.monotonic() + within
    while (result := look()) is None:
        assert time.monotonic() < deadline, f"did not come within {within} s"
        time.sleep(0.02)
    return result


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
        response = self._client.get(f"/{collection}/{self.id}")
        assert response.status_code in (200, 404), response.text
        return dict(response.json()) if response.status_code == httpx2.codes.OK else None

    def statuses(self) -> tuple[str, ...]:
        """What reception, diagnosis and patient management say; empty for what one does not know yet."""
        views = [self.show(name) for name in ("receptions", "diagnoses", "patientManagements")]
        return tuple(view["status"] if view else "" for view in views)

    def ends_as(self, *statuses: str, within: float = SEEN_WITHIN_SECONDS) -> None:
        """Wait until reception, diagnosis and patient management say `statuses`."""
        deadline = time.monotonic() + within
        while (seen := self.statuses()) != statuses:
            assert time.monotonic() < deadline, f"{seen}, not {statuses} within {within} s"
            time.sleep(0.02)

    def _do(self, path: str, **body: object) -> dict[str, Any]:
        response = self._client.post(path, json=body)
        assert response.is_success, f"{path}: {response.status_code} {response.text}"
        return dict(response.json())
