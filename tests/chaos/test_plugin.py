"""What a run prints when it finds something."""

import subprocess
import sys
from pathlib import Path

import pytest

from clinic_lib.local.errors import StackError
from clinic_lib.testing.chaos import Chaos

ROOT = Path(__file__).parents[2]

pytestmark = pytest.mark.timeout(200)


def run_pytest(*arguments: str) -> tuple[int, str]:
    """Exit code and output."""
    finished = subprocess.run(
        [sys.executable, "-m", "pytest", "-p", "no:randomly", f"--rootdir={ROOT}", *arguments],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    return finished.returncode, finished.stdout + finished.stderr


def test_planted_bugs_are_found_and_told_with_seed_faults_and_evidence() -> None:
    code, output = run_pytest("tests/chaos/planted_bugs.py", "--chaos-seed=5", "--chaos-seconds=9")

    assert code == pytest.ExitCode.TESTS_FAILED, output
    again = "pytest tests/chaos/planted_bugs.py::test_seats_add_up --chaos-seed=5 --chaos-seconds=9"
    assert f"seed 5; again: {again}" in output
    assert "0.0 s: crash seat-1 at before-commit" in output
    assert "s    seat-1 died at before-commit" in output
    assert "broken: no_seat_is_taken_for_nothing: assert" in output
    assert "broken: every_order_ended: assert" in output


def test_several_rounds_have_a_seed_each() -> None:
    code, output = run_pytest(
        "tests/chaos/planted_bugs.py", "--chaos-seed=5", "--chaos-rounds=3", "--collect-only", "-q"
    )

    assert code == pytest.ExitCode.OK
    assert [line for line in output.splitlines() if "::" in line] == [
        f"tests/chaos/planted_bugs.py::test_seats_add_up[seed{seed}]" for seed in (5, 6, 7)
    ]


def test_those_who_have_no_chaos_tests_load_next_to_nothing() -> None:
    look = "import sys, clinic_lib.testing.plugin; print([m for m in sys.modules if m in sys.argv])"
    command = [
        sys.executable,
        "-c",
        look,
        "clinic_lib.testing.plugin",
        "aiokafka",
        "asyncpg",
        "psutil",
        "httpx2",
    ]

    loaded = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True).stdout

    assert loaded == "['clinic_lib.testing.plugin']\n"


async def test_a_folder_without_a_system_is_told(tmp_path: Path) -> None:
    with pytest.raises(StackError, match=r"There is no \[tool.clinic\] in .*pyproject.toml"):
        async with Chaos(1, project=tmp_path, folder=tmp_path).up():
            pass
