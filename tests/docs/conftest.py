"""The wheel, and folders outside this repository in which it is installed as its users do it."""

import os
import re
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
OURS = ("PYTHONPATH", "KAFKA_BOOTSTRAP_SERVERS", "DATABASE_URL", "VIRTUAL_ENV", "ADMIN_TOKEN")
"""What this suite may have in its environment, and a user has not."""


STARTS_WITHIN_SECONDS = 180.0
"""A whole clinic with its servers, on a busy machine."""


@pytest.fixture(scope="session")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The built package, in a folder of its own."""
    folder = tmp_path_factory.mktemp("wheel")
    command = [sys.executable, "-m", "hatchling", "build", "--target", "wheel", "--directory", str(folder)]
    subprocess.run(command, cwd=ROOT, check=True, capture_output=True)
    return next(folder.glob("*.whl"))


@pytest.fixture(scope="session")
def outside(wheel: Path) -> Mapping[str, str]:
    """An environment in which pip finds the wheel, and the locked version of everything else."""
    constraints = wheel.with_name("constraints.txt")
    lock = (ROOT / "requirements/dev.lock").read_text()
    locked = re.findall(r"^(\S+?)(?:\[\S+\])?(==.*?) *\\$", lock, re.MULTILINE)
    constraints.write_text("".join(f"{name}{version}\n" for name, version in locked))
    python = str(Path(sys.base_prefix) / "bin")
    path = [each for each in os.environ["PATH"].split(os.pathsep) if not each.startswith(sys.prefix)]
    return {
        **{name: value for name, value in os.environ.items() if name not in OURS},
        "PATH": os.pathsep.join([python, *path]),
        "PIP_FIND_LINKS": str(wheel.parent),
        "PIP_CONSTRAINT": str(constraints),
        "PIP_NO_COMPILE": "1",
        "PIP_DISABLE_PIP_VERSION_CHECK": "1",
        "PYTHONDONTWRITEBYTECODE": "1",
    }


@contextmanager
def running(command: list[str], folder: Path, environment: Mapping[str, str], ready: str) -> Iterator[Path]:
    """Runs inside the block, from when it has printed `ready`; what it prints is in the file."""
    printed = folder / "printed.log"
    with printed.open("w") as file:
        process = subprocess.Popen(
            command, cwd=folder, env=dict(environment), stdout=file, stderr=subprocess.STDOUT
        )
    try:
        until = time.monotonic() + STARTS_WITHIN_SECONDS
        while ready not in printed.read_text():
            assert process.poll() is None and time.monotonic() < until, printed.read_text()
            time.sleep(0.1)
        yield printed
    finally:
        process.terminate()
        process.wait(30)
