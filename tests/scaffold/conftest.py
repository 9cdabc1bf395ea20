"""A copy of this repository, and the `clinic` command run in it."""

import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
LEFT_OUT = (
    "*.venv*",
    ".git",
    ".clinic",
    "__pycache__",
    "node_modules",
    "build",
    ".hypothesis",
    ".benchmarks",
)

Run = Callable[..., "subprocess.CompletedProcess[str]"]


def copied(to: Path) -> Path:
    """With the checkers' caches, so that they look again only at what is new."""
    return Path(shutil.copytree(ROOT, to, ignore=shutil.ignore_patterns(*LEFT_OUT)))


def run(folder: Path, *command: str) -> "subprocess.CompletedProcess[str]":
    """A Python module and its arguments, on the packages of that folder."""
    environment = {**os.environ, "PYTHONPATH": str(folder), "NO_COLOR": "1"}
    return subprocess.run(
        [sys.executable, "-m", *command],
        cwd=folder,
        env=environment,
        capture_output=True,
        text=True,
        timeout=250,
        check=False,
    )


def clinic(folder: Path, *arguments: str) -> "subprocess.CompletedProcess[str]":
    return run(folder, "clinic_lib", *arguments)


@pytest.fixture(scope="module")
def repository(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One for tests that leave it as it was."""
    return copied(tmp_path_factory.mktemp("copy") / "repository")
