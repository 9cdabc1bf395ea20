"""`clinic new project`, and a second service in what it made."""

import sys
from pathlib import Path

import pytest

from tests.scaffold.conftest import ROOT, clinic, run


@pytest.fixture
def here(tmp_path: Path) -> Path:
    """An empty folder, where `clinic_lib` is found and `services` is not."""
    (tmp_path / "clinic_lib").symlink_to(ROOT / "clinic_lib")
    return tmp_path


def test_a_new_project_and_a_second_service_in_it_are_green(here: Path) -> None:
    made = clinic(here, "new", "project", "shop")
    (here / "shop/clinic_lib").symlink_to(ROOT / "clinic_lib")
    alone = clinic(here / "shop", "check")
    added = clinic(here / "shop", "new", "service", "payment")

    assert (made.returncode, added.returncode) == (0, 0), made.stderr + added.stderr
    assert alone.returncode == 0, alone.stdout + alone.stderr
    tests = run(here / "shop", "pytest", "-q", "-p", "no:cacheprovider")
    assert tests.returncode == 0, tests.stdout
    assert "12 passed" in tests.stdout
    proven = clinic(here / "shop", "check")
    assert proven.returncode == 0, proven.stdout + proven.stderr
    typed = run(here / "shop", "pyright", "--pythonpath", sys.executable, "services", "tests")
    assert typed.returncode == 0, typed.stdout
    assert (here / "shop/README.md").read_text().count("clinic up") == 2


def test_a_folder_that_is_there_is_left_alone(here: Path) -> None:
    (here / "shop").mkdir()

    answer = clinic(here, "new", "project", "shop")

    assert answer.returncode == 1
    assert "shop is there already" in answer.stderr
    assert list((here / "shop").iterdir()) == []


def test_a_dry_run_makes_no_folder(here: Path) -> None:
    answer = clinic(here, "new", "project", "shop", "--dry-run")

    assert "new      services/shop/order/domain.py" in answer.stdout
    assert not (here / "shop").exists()


def test_a_service_without_a_project_is_refused_in_one_sentence(here: Path) -> None:
    answer = clinic(here, "new", "service", "payment")

    assert answer.returncode == 1
    assert answer.stderr.startswith("There is no pyproject.toml with a [tool.clinic] table")
