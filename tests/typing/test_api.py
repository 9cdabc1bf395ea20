"""mypy and pyright find each wrong use of the library's interface, and nothing else."""

import json
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
API = Path(__file__).with_name("api.py")


def wrong(checker: str) -> set[int]:
    """The lines that must be errors of that checker."""
    lines = enumerate(API.read_text().splitlines(), 1)
    return {number for number, line in lines if line.endswith("# wrong") or f"# wrong for {checker}" in line}


def mypy() -> set[int]:
    """The lines with an error."""
    answer = checked("mypy", "--no-error-summary", str(API.relative_to(ROOT)))
    assert answer.stderr == ""
    return {
        int(line) for line in re.findall(r"^tests/typing/api\.py:(\d+): error:", answer.stdout, re.MULTILINE)
    }


def pyright() -> set[int]:
    answer = checked("pyright", "--outputjson", "--pythonpath", sys.executable, str(API))
    found = json.loads(answer.stdout)["generalDiagnostics"]
    return {each["range"]["start"]["line"] + 1 for each in found if each["severity"] == "error"}


def checked(program: str, *arguments: str) -> "subprocess.CompletedProcess[str]":
    command = [str(Path(sys.executable).with_name(program)), *arguments]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)


@pytest.mark.parametrize("checker", [mypy, pyright])
def test_wrong_uses_are_errors_and_right_ones_are_none(checker: Callable[[], set[int]]) -> None:
    assert sorted(checker()) == sorted(wrong(checker.__name__))


def test_wrong_uses_are_shown() -> None:
    assert len(wrong("mypy")) > 20
