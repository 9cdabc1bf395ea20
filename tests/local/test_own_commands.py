"""Commands that a project adds to `clinic`."""

from pathlib import Path

from tests.local.conftest import Clinic, project

OWN = """
[tool.clinic.commands]
weigh = { run = "scales:main", help = "Say what it weighs." }
"""
SCALES = """
def main(arguments):
    print(arguments)
    return 3
"""


def with_commands(folder: Path, table: str) -> Clinic:
    clinic = project(folder, {})
    with (folder / "pyproject.toml").open("a") as file:
        file.write(table)
    (folder / "scales.py").write_text(SCALES)
    return clinic


def test_a_projects_command_is_given_its_arguments_and_ends_with_its_code(tmp_path: Path) -> None:
    clinic = with_commands(tmp_path, OWN)

    weighed = clinic("weigh", "--heavy", "apples", "--help")

    assert weighed.stdout == "['--heavy', 'apples', '--help']\n"
    assert weighed.returncode == 3


def test_help_lists_a_projects_commands_beside_ours(tmp_path: Path) -> None:
    told = with_commands(tmp_path, OWN)("--help").stdout

    assert "Say what it weighs." in told
    assert "dead-letters" in told


def test_a_projects_command_can_not_be_called_as_one_of_ours(tmp_path: Path) -> None:
    refused = with_commands(tmp_path, OWN.replace("weigh", "sagas"))("status")

    assert refused.returncode == 1
    assert refused.stderr.startswith("[tool.clinic.commands] names sagas, which clinic has already")


def test_without_a_project_clinic_has_our_commands_alone(tmp_path: Path) -> None:
    clinic = Clinic(tmp_path, 0, {})

    told = clinic("--help")

    assert told.returncode == 0
    assert "bench" not in told.stdout
