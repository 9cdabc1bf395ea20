"""A single mistake anywhere in a program is found."""

import pytest

from infra.recording import Program
from tests.infra.faults import faults
from tests.infra.mutations import MUTATIONS, Mutation, mutated


@pytest.mark.parametrize("mutation", MUTATIONS, ids=str)
def test_a_mistake_is_found(mutation: Mutation, programs: dict[str, Program]) -> None:
    spoilt = mutated(programs[mutation.stack], mutation)

    assert any(faults(spoilt))
