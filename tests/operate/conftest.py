"""One kiosk under `clinic up` for all tests of the operator's commands, on the session's servers."""

import json
import random
import subprocess
import time
from collections.abc import Callable, Iterator, Mapping
from typing import Any, TypeVar
from uuid import uuid4

import httpx2
import pytest

from clinic_lib.local.errors import StackError
from clinic_lib.local.folder import ClinicFolder
from clinic_lib.local.ports import require_free
from tests.local.conftest import Clinic

Result = TypeVar("Result")

RUN = uuid4().hex[:6]
ORDER, SEAT, PAGE, DOOR = f"order_{RUN}", f"seat_{RUN}", f"page_{RUN}", f"door_{RUN}"
PORTS = {ORDER: 0, SEAT: 1, PAGE: 2, DOOR: 3}


class Kiosk:
    """The running system: its command line, its customers, and its admin ports."""

    def __init__(self, clinic: Clinic) -> None:
        self.clinic = clinic
        self.broken = clinic.folder / "broken"

    @property
    def token(self) -> str:
        return ClinicFolder(self.clinic.folder).admin_token

    def __call__(self, *arguments: str) -> "subprocess.CompletedProcess[str]":
        return self.clinic(*arguments)

    def says(self, *arguments: str) -> str:
        """What a command prints that ends well."""
        done = self.clinic(*arguments)
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    def json(self, *arguments: str) -> dict[str, Any]:
        answer: dict[str, Any] = json.loads(self.says(*arguments, "--json"))
        return answer

    def elsewhere(self, token: str) -> Clinic:
        """The command in a folder where nothing runs, with this token in its environment."""
        folder = self.clinic.folder / "elsewhere"
        folder.mkdir(exist_ok=True)
        return Clinic(folder, 1, {"ADMIN_TOKEN": token})

    def place_order(self, quantity: int = 1) -> str:
        """Its id."""
        url = f"http://127.0.0.1:{self.clinic.port}/orders"
        return str(httpx2.post(url, json={"quantity": quantity}).raise_for_status().json()["id"])

    def cancel_order(self, order: str) -> None:
        httpx2.post(
            f"http://127.0.0.1:{self.clinic.port}/orders/{order}/cancellation", json={}
        ).raise_for_status()

    def public_url(self, service: str) -> str:
        return f"http://127.0.0.1:{self.clinic.port + PORTS[service]}"

    def admin_url(self, service: str) -> str:
        return f"http://127.0.0.1:{self.clinic.port + PORTS[service] + 1000}"

    def admin(self, service: str) -> httpx2.Client:
        """A client of a service's admin port, with the token."""
        return httpx2.Client(
            base_url=self.admin_url(service), headers={"Authorization": f"Bearer {self.token}"}, timeout=20
        )

    def state(self, order: str) -> str:
        with self.admin(ORDER) as admin:
            answer = admin.get(f"/admin/sagas/purchase/{order}")
        return str(answer.json()["state"]) if answer.is_success else ""

    def comes_to(self, order: str, state: str) -> None:
        eventually(lambda: self.state(order) == state or None)

    def letters(self, **parameters: str | int) -> list[dict[str, Any]]:
        """Of the seats, newest first."""
        with self.admin(SEAT) as admin:
            items: list[dict[str, Any]] = admin.get("/admin/dead-letters", params=parameters).json()["items"]
        return items

    def poisoned_order(self) -> str:
        """An order that the seats stumbled over; the cause is not mended yet."""
        self.broken.touch()
        order = self.place_order(13)
        self.comes_to(order, "stuck")
        return order


def eventually(look: Callable[[], Result | None], within_s: float = 20) -> Result:
    """The first result that is not None."""
    deadline = time.monotonic() + within_s
    while (result := look()) is None:
        assert time.monotonic() < deadline, f"did not come within {within_s} s"
        time.sleep(0.05)
    return result


@pytest.fixture(scope="session")
def running_kiosk(tmp_path_factory: pytest.TempPathFactory, servers: Mapping[str, str]) -> Iterator[Kiosk]:
    folder = tmp_path_factory.mktemp("kiosk")
    port = _free_ports()
    (folder / "pyproject.toml").write_text("\n".join(_project(port)))
    settings = {"KIOSK_RUN": RUN, "KIOSK_BROKEN": str(folder / "broken"), "KAFKA_PARTITIONS": "3"}
    clinic = Clinic(folder, port, {**servers, **settings})
    with clinic.up():
        yield Kiosk(clinic)


@pytest.fixture
def kiosk(running_kiosk: Kiosk) -> Iterator[Kiosk]:
    """Whole and without dead letters before each test."""
    yield running_kiosk
    running_kiosk.broken.unlink(missing_ok=True)
    for name, state in running_kiosk.clinic.states().items():
        if state != "running":
            running_kiosk.says("start", name)
    with running_kiosk.admin(SEAT) as admin:
        admin.post("/admin/dead-letters/redrive").raise_for_status()


@pytest.fixture
def order(kiosk: Kiosk) -> Iterator[httpx2.Client]:
    """The admin port of the orders."""
    with kiosk.admin(ORDER) as client:
        yield client


@pytest.fixture
def seat(kiosk: Kiosk) -> Iterator[httpx2.Client]:
    """The admin port of the seats."""
    with kiosk.admin(SEAT) as client:
        yield client


def _project(port: int) -> Iterator[str]:
    """The declaration; the door is the gateway, which has no database and no dead letters."""
    yield f'[tool.clinic.systems.kiosk]\ngateway = "{DOOR}"'
    for name, app in {ORDER: "order", SEAT: "seat", PAGE: "page"}.items():
        yield "[[tool.clinic.systems.kiosk.services]]"
        yield f'name = "{name}"\napp = "tests.operate.kiosk:serve_{app}"\nport = {port + PORTS[name]}'
    yield "[[tool.clinic.systems.kiosk.services]]"
    yield f'name = "{DOOR}"\napp = "services.gateway.app:app"\nport = {port + PORTS[DOOR]}\ndatabase = false'
    yield f'env.GATEWAY_ROUTES = \'{{"/orders": "http://127.0.0.1:{port}"}}\''


def _free_ports() -> int:
    while True:
        port = random.randrange(20_000, 30_000, 10)
        try:
            for offset in PORTS.values():
                require_free(port + offset, "a test")
                require_free(port + offset + 1000, "a test")
        except StackError:
            continue
        return port
