"""The package, as it is installed where this repository is not."""

import asyncio
import re
import subprocess
import zipfile
from collections.abc import Mapping
from email.parser import Parser
from pathlib import Path
from uuid import uuid4

import asyncpg
import httpx2
import pytest
from aiokafka import AIOKafkaConsumer

from clinic_lib.local.database import database_url
from clinic_lib.local.ports import free_port
from tests.docs.conftest import ROOT, running

README = (ROOT / "README.md").read_text()
SERVICE = next(re.finditer(r"^```python\n(# order\.py\n.*?)^```$", README, re.MULTILINE | re.DOTALL))[1]

NEED_NO_EXTRA = """
import importlib, pkgutil, clinic_lib
for each in pkgutil.iter_modules(clinic_lib.__path__):
    if each.name not in ("cli", "local", "operate", "scaffold", "testing"):
        importlib.import_module(f"clinic_lib.{each.name}")
        print(each.name)
"""


@pytest.fixture(scope="module")
def alone(tmp_path_factory: pytest.TempPathFactory, outside: Mapping[str, str]) -> Path:
    """A folder whose `.venv` has the package without extras, and nothing else."""
    folder = tmp_path_factory.mktemp("alone")
    install = "python3 -m venv .venv && .venv/bin/pip install --quiet clinic-lib"
    subprocess.run(["bash", "-c", install], cwd=folder, env=dict(outside), check=True)
    return folder


def run(folder: Path, environment: Mapping[str, str], *command: str) -> "subprocess.CompletedProcess[str]":
    program = folder / ".venv/bin" / command[0]
    return subprocess.run(
        [str(program), *command[1:]],
        cwd=folder,
        env=dict(environment),
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def test_the_wheel_holds_the_library_its_types_and_its_templates_and_nothing_else(wheel: Path) -> None:
    names = [Path(name) for name in zipfile.ZipFile(wheel).namelist()]

    assert {name.parts[0] for name in names} == {"clinic_lib", "clinic_lib-0.1.0.dist-info"}
    kinds = {name.suffix for name in names if name.parts[0] == "clinic_lib"} - {".py"}
    assert kinds == {".txt", ".typed", ".yaml"}  # templates, types, the compose file
    assert Path("clinic_lib/py.typed") in names
    code = {path.relative_to(ROOT) for path in (ROOT / "clinic_lib").rglob("*.py")}
    assert code <= set(names)


def test_the_metadata_says_what_it_is_and_what_it_needs(wheel: Path) -> None:
    archive = zipfile.ZipFile(wheel)
    told = Parser().parsestr(archive.read("clinic_lib-0.1.0.dist-info/METADATA").decode())

    assert told["Name"] == "clinic-lib"
    assert told["Requires-Python"] == ">=3.11"
    assert told["Description-Content-Type"] == "text/markdown"
    assert set(told.get_all("Provides-Extra", [])) == {"gateway", "local", "testing"}
    assert "Typing :: Typed" in told.get_all("Classifier", [])


def test_a_service_needs_no_extra(alone: Path, outside: Mapping[str, str]) -> None:
    imported = run(alone, outside, "python", "-c", NEED_NO_EXTRA)

    assert imported.returncode == 0, imported.stderr
    assert {"service", "server", "messages", "storage", "errors"} <= set(imported.stdout.split())


def test_the_command_says_in_one_sentence_what_it_lacks(alone: Path, outside: Mapping[str, str]) -> None:
    answer = run(alone, outside, "clinic", "up")

    assert (answer.returncode, answer.stdout) == (1, "")
    assert (
        answer.stderr
        == "The clinic command needs typer, which is missing: pip install 'clinic-lib[local]'.\n"
    )


async def test_the_readmes_service_takes_an_order_and_publishes_it(
    alone: Path, outside: Mapping[str, str], kafka_bootstrap_servers: str, postgresql_url: str
) -> None:
    topic, port, admin_port = f"shop-{uuid4().hex[:8]}", free_port(), free_port()
    await make_database(postgresql_url, topic)
    (alone / "order.py").write_text(SERVICE.replace('topic="shop"', f'topic="{topic}"'))
    environment = {
        **outside,
        "KAFKA_BOOTSTRAP_SERVERS": kafka_bootstrap_servers,
        "DATABASE_URL": database_url(postgresql_url, topic),
        "PORT": str(port),
        "ADMIN_PORT": str(admin_port),
    }
    command = [str(alone / ".venv/bin/python"), "-m", "clinic_lib.server", "order:app"]

    with running(command, alone, environment, "Uvicorn running"):
        answer = await order_a_chair(f"http://127.0.0.1:{port}/orders")
        listed = httpx2.get(f"http://127.0.0.1:{port}/orders", timeout=20).json()
        event = await first_record(kafka_bootstrap_servers, topic)

    assert (answer.status_code, answer.headers["location"]) == (201, "/orders/1")
    assert answer.json() == {"id": 1, "item": "a chair"}
    assert listed == {"items": [{"id": 1, "item": "a chair"}], "next": None}
    assert b'"type":"OrderPlaced"' in event
    assert b'"item":"a chair"' in event


async def order_a_chair(url: str) -> httpx2.Response:
    """Sent again while the service says that its tables are not there yet."""
    while (answer := httpx2.post(url, json={"item": "a chair"}, timeout=20)).status_code == 503:
        await asyncio.sleep(0.2)
    return answer


async def make_database(server: str, name: str) -> None:
    connection = await asyncpg.connect(server)
    await connection.execute(f'create database "{name}"')
    await connection.close()


async def first_record(servers: str, topic: str) -> bytes:
    """Asked anew when nothing comes: one that meets a topic in the making may wait for ever."""
    for _ in range(6):
        consumer = AIOKafkaConsumer(topic, bootstrap_servers=servers, auto_offset_reset="earliest")
        await consumer.start()
        try:
            return bytes((await asyncio.wait_for(consumer.getone(), 5)).value or b"")
        except TimeoutError:
            continue
        finally:
            await consumer.stop()
    raise AssertionError(f"there is nothing in {topic}")
