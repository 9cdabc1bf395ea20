"""A single mistake in the platform's source is found by what `tests/infra` asks of the recorded program.

Each of them records the program anew, so this takes longer than all of `tests/infra`.
"""

import subprocess
import sys

import pytest

from infra.recording import ROOT
from tests.infra.source_mutations import SOURCE_MUTATIONS


@pytest.mark.timeout(900)  # a minute and a half of CPU, on a machine that others use too
def test_a_mistake_in_the_source_is_found() -> None:
    assert len(SOURCE_MUTATIONS) >= 40

    answer = subprocess.run(
        [sys.executable, "-m", "tests.infra.mutate_source"],
        capture_output=True,
        text=True,
        check=False,
        cwd=ROOT,
    )

    assert (answer.returncode, answer.stdout.splitlines()[:-1]) == (0, []), answer.stderr
