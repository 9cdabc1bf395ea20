"""A single mistake anywhere in a program is found."""

import subprocess
import sys

import pytest

from infra.recording import ROOT, Program
from tests.infra.faults import faults
from tests.infra.mutations import MUTATIONS, Mutation, mutated
from tests.infra.source_mutations import SOURCE_MUTATIONS


@pytest.mark.parametrize("mutation", MUTATIONS, ids=str)
def test_a_mistake_is_found(mutation: Mutation, programs: dict[str, Program]) -> None:
    spoilt = mutated(programs[mutation.stack], mutation)

    assert any(faults(spoilt))


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
