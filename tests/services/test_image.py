"""What the Dockerfile puts into an image is enough: its folders, the packages of its lock, its variables."""

import re
import shutil
import subprocess
import time
import tomllib
import venv
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, files
from pathlib import Path
from uuid import uuid4

import httpx2
import pytest

from clinic_lib.local.database import create_databases, database_url
from clinic_lib.local.ports import free_port

ROOT = Path(__file__).parents[2]
DOCKERFILE = (ROOT / "Dockerfile").read_text()
COMMIT = "5b1f0ac"
STARTS_WITHIN_SECONDS = 60


@dataclass
class Image:
    folder: Path

    @property
    def python(self) -> str:
        return str(self.folder / ".venv/bin/python")

    @property
    def environment(self) -> dict[str, str]:
        """The Dockerfile's last ENV, as a build with COMMIT and without a service fills it."""
        written = re.findall(r"^ENV ((?:.*\\\n)*.*)", DOCKERFILE, re.MULTILINE)[-1]
        values = dict(re.findall(r"(\w+)=(\S+)", written))
        filled = {name: value.replace("${COMMIT}", COMMIT) for name, value in values.items()}
        return {name: re.sub(r"/app\b", str(self.folder), value) for name, value in filled.items()}

    def run(self, code: str, **environment: str) -> "subprocess.CompletedProcess[str]":
        return subprocess.run(
            [self.python, "-c", code],
            cwd=self.folder,
            env=self.environment | environment,
            capture_output=True,
            text=True,
            check=False,
        )


@pytest.fixture(scope="module")
def image(tmp_path_factory: pytest.TempPathFactory) -> Image:
    folder = tmp_path_factory.mktemp("image")
    for source, target in re.findall(r"^COPY (\w+) (\w+)$", DOCKERFILE, re.MULTILINE):
        shutil.copytree(ROOT / source, folder / target, ignore=shutil.ignore_patterns("__pycache__"))
    for line in (ROOT / ".dockerignore").read_text().splitlines():
        if not line.startswith(("*", "!")):
            shutil.rmtree(folder / line)
    venv.create(folder / ".venv", symlinks=True)
    site_packages = next((folder / ".venv").glob("lib/python*/site-packages"))
    installed = Path(pytest.__file__).parents[1]
    for name in re.findall(r"^([\w.-]+)", (ROOT / "requirements/service.lock").read_text(), re.MULTILINE):
        for part in parts_of(name):
            (site_packages / part).symlink_to(installed / part)
    return Image(folder)


def parts_of(package: str) -> set[str]:
    """The folders and files that the package has directly in site-packages."""
    try:
        return {path.parts[0] for path in files(package) or ()} - {"..", "__pycache__"}
    except PackageNotFoundError:  # of another Python or platform: this one's lock is for all
        return set()


@contextmanager
def running(image: Image, app: str, **environment: str) -> Iterator[int]:
    """Starts the service as the image does; gives the admin port once the process lives."""
    admin_port = free_port()
    process = subprocess.Popen(
        [image.python, "-m", "clinic_lib.server", app],
        cwd=image.folder,
        env={
            **image.environment,
            "HOST": "127.0.0.1",
            "PORT": str(free_port()),
            "ADMIN_HOST": "127.0.0.1",
            "ADMIN_PORT": str(admin_port),
            **environment,
        },
    )
    try:
        until = time.monotonic() + STARTS_WITHIN_SECONDS
        while not lives(admin_port):
            assert process.poll() is None, f"{app} ended by itself"
            assert time.monotonic() < until, f"{app} does not live"
            time.sleep(0.1)
        yield admin_port
    finally:
        process.terminate()
        process.wait(10)


def lives(admin_port: int) -> bool:
    try:
        return httpx2.get(f"http://127.0.0.1:{admin_port}/health/live").status_code == 200
    except httpx2.TransportError:
        return False


def metrics_of(admin_port: int) -> str:
    return httpx2.get(f"http://127.0.0.1:{admin_port}/metrics").text


def test_the_image_has_the_librarys_folder_and_not_its_package(image: Image) -> None:
    found = image.run("import clinic_lib; print(*clinic_lib.__path__)")
    asked = image.run("from importlib.metadata import version; version('clinic-lib')")

    assert found.stdout.strip() == str(image.folder / "clinic_lib")
    assert asked.stderr.strip().endswith("No package metadata was found for clinic-lib")


def test_the_gateways_image_starts_and_says_its_commit(image: Image) -> None:
    with running(image, "services.gateway.app:app", GATEWAY_ROUTES='{"/seats": "http://seat:8080"}') as port:
        metrics = metrics_of(port)

    assert f'clinic_build_info{{service="gateway",version="{COMMIT}"}} 1.0' in metrics


async def test_a_services_image_starts_and_says_its_commit(
    image: Image, kafka_bootstrap_servers: str, postgresql_url: str
) -> None:
    database = f"image_{uuid4().hex[:8]}"
    await create_databases(postgresql_url, [database])
    servers = {
        "DATABASE_URL": database_url(postgresql_url, database),
        "KAFKA_BOOTSTRAP_SERVERS": kafka_bootstrap_servers,
    }

    with running(image, "services.reservation.seat.app:app", **servers) as port:
        metrics = metrics_of(port)

    assert f'clinic_build_info{{service="seat",version="{COMMIT}"}} 1.0' in metrics


def test_an_image_that_nobody_told_a_commit_has_an_unknown_version(image: Image) -> None:
    asked = image.run("from clinic_lib.version import library_version; print(library_version())", COMMIT="")

    assert asked.stdout.strip() == "unknown"


def test_each_services_program_is_in_the_image(image: Image) -> None:
    systems = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["clinic"]["systems"].values()
    modules = {each["app"].partition(":")[0] for system in systems for each in system["services"]}

    code = f"import importlib\nfor each in {sorted(modules)}: importlib.import_module(each)"
    done = image.run(code)

    assert len(modules) == 8
    assert done.returncode == 0, done.stderr
