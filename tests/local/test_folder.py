"""The folder .clinic of a project."""

from pathlib import Path

import pytest

from clinic_lib.local.folder import ClinicFolder


@pytest.fixture
def folder(tmp_path: Path) -> ClinicFolder:
    folder = ClinicFolder(tmp_path)
    folder.path.mkdir()
    return folder


def test_each_run_has_an_admin_token_of_its_own(
    folder: ClinicFolder, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("ADMIN_TOKEN", raising=False)

    first = folder.make_admin_token()
    second = folder.make_admin_token()

    assert first != second
    assert folder.admin_token == second


def test_a_token_of_the_environment_is_taken(folder: ClinicFolder, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ADMIN_TOKEN", "mine")

    assert folder.make_admin_token() == "mine"
    assert folder.admin_token == "mine"
