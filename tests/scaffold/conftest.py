"""A copy of this repository, and the `clinic` command run in it."""

import os
import shutil
import subprocess
import sys
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


def copied(to: Path) -> Path:
    """With the checkers' caches, so that they look again only at what is new."""
    return Path(shutil.copytree(ROOT, to, ignore=shutil.ignore_patterns(*LEFT_OUT)))


def run(folder: Path, *command: str) -> "subprocess.CompletedProcess[str]":
    """A program of this environment, on the packages of that folder."""
    program = Path(sys.executable).with_name(command[0])
    return subprocess.run(
        [str(program), *command[1:]],
        cwd=folder,
        env={**os.environ, "PYTHONPATH": str(folder), "NO_COLOR": "1"},
        capture_output=True,
        text=True,
        timeout=250,
        check=False,
    )


def clinic(folder: Path, *arguments: str) -> "subprocess.CompletedProcess[str]":
    return run(folder, "python", "-m", "clinic_lib", *arguments)


@pytest.fixture(scope="module")
def repository(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One for tests that leave it as it was."""
    return copied(tmp_path_factory.mktemp("copy") / "repository")
