"""Somebody reads the tutorial in an empty folder, with the wheel at hand and a clinic beside."""

import re
import subprocess
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest

from tests.docs.blocks import Block, Reader, blocks
from tests.docs.conftest import ROOT, running
from tests.scenarios.clinic import KAFKA_PORT, PORT_OFFSET, POSTGRESQL_PORT

PAGE = (ROOT / "docs" / "tutorial.md").read_text()
OFFSET = PORT_OFFSET + 300
"""Beside the scenarios' systems."""

MOVED = {
    **{port: port + OFFSET for port in (*range(8080, 8100), *range(9080, 9100))},
    19092: KAFKA_PORT + OFFSET,
    15432: POSTGRESQL_PORT + OFFSET,
    15433: POSTGRESQL_PORT + OFFSET + 1,
}

TELLS_ITS_WIRING = ("graph", "clinic", "--format", "json")


@pytest.fixture
def reader(tmp_path: Path, outside: Mapping[str, str]) -> Reader:
    folder = tmp_path / "billing"
    folder.mkdir()
    return Reader(folder, outside, MOVED)


@pytest.fixture
def clinic_beside(tmp_path: Path, outside: Mapping[str, str], reader: Reader) -> Iterator[None]:
    """What the tutorial's first terminal runs, from this repository."""
    folder = tmp_path / "clinic"
    folder.mkdir()
    declared = reader.here((ROOT / "pyproject.toml").read_text())
    servers = f"kafka_port = {MOVED[19092]}\npostgresql_port = {MOVED[15432]}\n"
    (folder / "pyproject.toml").write_text(declared.replace("[tool.clinic]\n", f"[tool.clinic]\n{servers}"))
    environment = {**outside, "PYTHONPATH": str(ROOT), "ADMIN_TOKEN": "tutorial"}
    command = [str(ROOT / ".venv/bin/python"), "-m", "clinic_lib", "up", "clinic"]
    told = subprocess.run([*command[:3], *TELLS_ITS_WIRING], cwd=ROOT, check=True, capture_output=True)
    (reader.folder / "clinic-manifest.json").write_bytes(told.stdout)
    with running(command, folder, environment, "ready"):
        yield


@pytest.mark.usefixtures("clinic_beside")
def test_a_service_made_by_the_tutorial_takes_part_in_the_clinics_saga(reader: Reader) -> None:
    steps = list(blocks(PAGE))
    install = next(each for each in steps if each.title == "terminal 2")
    up = next(each for each in steps if each.title.startswith("terminal 2, "))

    assert "Successfully installed" in reader.run(install.text)
    wrong = follow(reader, steps[: steps.index(up)])
    with running(["bash", "-c", entered(reader, up)], reader.folder, reader.environment, "ready"):
        wrong += follow(reader, steps[steps.index(up) :])

    assert "\n".join(wrong) == ""


def entered(reader: Reader, block: Block) -> str:
    """As a shell's last word, so that a signal reaches it."""
    settings, _, program = reader.here(block.text).strip().rpartition(" clinic ")
    return f". .venv/bin/activate; {settings} exec clinic {program}"


def follow(reader: Reader, steps: list[Block]) -> list[str]:
    wrong: list[str] = []
    for block in steps:
        if block.language == "console":
            wrong += reader.converse(block)
        elif "." in block.title:
            reader.write(block)
    return wrong


def test_every_block_of_the_tutorial_is_done_or_named() -> None:
    assert {block.title for block in blocks(PAGE) if block.language != "console"} == {
        "terminal 1",
        "terminal 2",
        "contracts.py",
        "billing.py",
        "test_billing.py",
        "terminal 2, until Ctrl-C",
        "pyproject.toml",
    }
    assert len(re.findall(r"^```\w", PAGE, re.MULTILINE)) == len(list(blocks(PAGE)))


def test_an_answer_that_the_page_has_wrong_is_told(tmp_path: Path) -> None:
    reader = Reader(tmp_path, {"PATH": "/usr/bin:/bin"}, {})
    page = "```console\n$ echo one two -d x\none …\n$ echo one -d x\ntwo\n```\n"

    wrong = [told for block in blocks(page) for told in reader.converse(block)]

    assert wrong == ["$ echo one -d x\none -d x\n"]


def test_a_file_is_written_part_by_part_with_this_machines_ports(tmp_path: Path) -> None:
    reader = Reader(tmp_path, {"PATH": "/usr/bin:/bin"}, {8086: 9})
    first, second = blocks('```python title="a.py"\nx = 8086\n```\n```python title="a.py"\ny = x\n```\n')

    reader.write(first)
    reader.write(second)

    assert (tmp_path / "a.py").read_text() == "x = 9\n\n\ny = x\n"
