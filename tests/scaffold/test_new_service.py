"""`clinic new service` in copies of this repository."""

import subprocess
from collections.abc import Mapping
from pathlib import Path

import pytest

from tests.scaffold.conftest import clinic, copied, run

CHECKS = (
    "ruff format --check .",
    "ruff check .",
    "mypy services tests/services/test_billing.py",
    "pyright infra/systems.py",
    "lint-imports",
    "python scripts/budgets clinic_lib services infra",
    "pytest -q tests/services/test_billing.py",
    "python -m clinic_lib check",
    "python -m clinic_lib graph clinic --out docs/choreography-clinic.md --check",
)

INFRA = ("tests/infra/test_program.py", "tests/infra/test_delivery.py", "tests/infra/test_recording.py")
"""Of these, the tests that hold the platform against the code, and what is recorded of it against the table."""

REFUSED = {
    "Billing": "can't name a service: write lower case letters",
    "patient-file": "can't name a service: write lower case letters",
    "_billing": "can't name a service: write lower case letters",
    "a" * 25: "has 25 characters: 24 are the most",
    "class": "class is a word of Python's",
    "match": "match is a word of Python's",
    "kafka": "kafka means something else here already",
    "grafana": "grafana means something else here already",
    "base": "base means something else here already",
    "diagnosis": "There is a service diagnosis already",
    "order": "There is a service order already",
    "reception_registered": "services/clinic/contracts.py has ReceptionRegistered already",
}


def texts(folder: Path) -> Mapping[Path, str]:
    files = [path for pattern in ("**/*.py", "*.toml", "*.yml", "docs/*.md") for path in folder.glob(pattern)]
    return {path: path.read_text() for path in files}


def problems(folder: Path, *check: str) -> str:
    """What a check says when it fails."""
    found = run(folder, *check)
    return f"{check}: {found.stdout}{found.stderr}" if found.returncode else ""


def refusal(answer: "subprocess.CompletedProcess[str]") -> str:
    assert (answer.returncode, answer.stdout) == (1, "")
    return answer.stderr


def test_a_new_service_is_green_at_once(tmp_path: Path) -> None:
    folder = copied(tmp_path / "repository")

    answer = clinic(folder, "new", "service", "billing", "--system", "clinic")

    assert answer.returncode == 0, answer.stderr
    assert "Next: clinic up clinic, then curl localhost:8086/billings" in answer.stdout
    assert len(list((folder / "services/clinic/billing").glob("*.py"))) <= 4
    for check in CHECKS:
        assert problems(folder, *check.split()) == ""
    assert problems(folder, "pytest", "-q", *INFRA, "-k", "code or golden or picture or images") == ""


def test_a_dry_run_lists_what_would_be_written_and_writes_nothing(repository: Path) -> None:
    before = texts(repository)

    answer = clinic(repository, "new", "service", "waiting_list", "--system", "reservation", "--dry-run")

    assert answer.stdout.splitlines() == [
        "new      services/reservation/waiting_list/__init__.py",
        "new      services/reservation/waiting_list/domain.py",
        "new      services/reservation/waiting_list/app.py",
        "new      tests/services/test_waiting_list.py",
        "changed  services/reservation/contracts.py, 10 lines more",
        "changed  pyproject.toml, 2 lines more",
        "changed  infra/systems.py, 8 lines more",
        "changed  azure-pipelines.yml, 1 line more",
    ]
    assert texts(repository) == before


@pytest.mark.parametrize(("name", "why"), REFUSED.items())
def test_a_name_that_can_not_be_is_refused_in_one_sentence(repository: Path, name: str, why: str) -> None:
    told = refusal(clinic(repository, "new", "service", name))

    assert why in told
    assert len(told.splitlines()) == 1


def test_a_system_and_a_saga_that_are_not_there_are_refused(repository: Path) -> None:
    system = refusal(clinic(repository, "new", "service", "billing", "--system", "cinema"))
    saga = refusal(clinic(repository, "new", "service", "billing", "--saga", "journey"))

    assert system == "There is no system cinema: pyproject.toml has clinic, reservation.\n"
    assert saga == "services/clinic/contracts.py has no saga journey: name one by --saga, of visit.\n"


def test_a_file_that_is_there_is_not_overwritten(tmp_path: Path) -> None:
    folder = copied(tmp_path / "repository")
    mine = folder / "tests/services/test_billing.py"
    mine.write_text("# mine\n")

    told = refusal(clinic(folder, "new", "service", "billing"))

    assert told == "tests/services/test_billing.py is there already: move it away, or choose another name.\n"
    assert mine.read_text() == "# mine\n"
    assert not (folder / "services/clinic/billing").exists()


@pytest.mark.parametrize(
    ("file", "old", "new", "row"),
    [
        (
            "infra/systems.py",
            "    services=(\n",
            "    services=tuple(\n",
            '"services.clinic.billing.app:app",',
        ),
        ("infra/systems.py", "calls=(", "calls=OTHERS + (", "and in the gateway's calls: billing"),
        ("azure-pipelines.yml", "{ image: ", "{image: ", "billing: { image: billing, app: "),
        (
            "pyproject.toml",
            "services = [",
            "services=[",
            '{ name = "billing", app = "services.clinic.billing',
        ),
    ],
)
def test_a_file_of_another_form_is_left_alone_and_the_row_is_shown(
    tmp_path: Path, file: str, old: str, new: str, row: str
) -> None:
    folder = copied(tmp_path / "repository")
    changed = folder / file
    changed.write_text(changed.read_text().replace(old, new))
    before = texts(folder)

    told = refusal(clinic(folder, "new", "service", "billing"))

    assert f"{changed.name} does not look as expected" in told
    assert row in told
    assert texts(folder) == before
