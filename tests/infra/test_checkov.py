"""An outside yardstick: checkov over every manifest of every stack finds nothing."""

import json
import os
import subprocess
from pathlib import Path

import pytest

from infra.preview import write_manifests
from infra.recording import ROOT, Program

CHECKOV = ROOT / ".venv-checkov/bin/checkov"


def test_checkov_finds_nothing_and_every_waiver_has_its_reason(
    programs: dict[str, Program], tmp_path: Path
) -> None:
    if not CHECKOV.exists():
        said = "checkov has an environment of its own: scripts/install checkov"
        pytest.fail(said) if os.environ.get("CI") else pytest.skip(said)
    for stack, program in programs.items():
        write_manifests(program, tmp_path / stack)

    answer = subprocess.run(
        [CHECKOV, "-d", tmp_path, "--framework", "kubernetes", "--compact", "--output", "json"],
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, "BC_SKIP_MAPPING": "TRUE", "LOG_LEVEL": "ERROR"},
    )

    report = json.loads(answer.stdout)
    failed = [f"{each['check_id']} {each['resource']}" for each in report["results"]["failed_checks"]]
    assert failed == []
    assert report["summary"]["parsing_errors"] == 0
    assert report["summary"]["passed"] > 1000
    waived = [each["check_result"]["suppress_comment"] for each in report["results"]["skipped_checks"]]
    assert waived
    assert all(len(reason.split()) > 3 for reason in waived)
