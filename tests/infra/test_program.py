"""Every stack's program, as a whole."""

import pytest

from infra.recording import Program, stack_config
from tests.infra import faults
from tests.infra.drift import drift, largest_pool_millicores, needed_millicores
from tests.infra.references import dangling


def test_every_manifest_is_valid_by_the_schema_of_its_kind(program: Program) -> None:
    assert list(faults.schema_faults(program)) == []


def test_every_reference_resolves(program: Program) -> None:
    assert list(dangling(program)) == []


def test_no_secret_stands_in_clear(program: Program) -> None:
    assert list(faults.secrets_in_clear(program)) == []


def test_no_rule_is_broken(program: Program) -> None:
    assert list(faults.rule_faults(program)) == []


def test_the_table_is_what_the_code_says_and_the_program_what_the_table_says(program: Program) -> None:
    assert list(drift(program)) == []


@pytest.mark.parametrize("stack", ["dev", "prod"])
def test_all_services_at_their_largest_fit_the_node_pool(stack: str, programs: dict[str, Program]) -> None:
    azure = stack_config(stack)["clinic:azure"]

    assert needed_millicores(programs[stack]) <= largest_pool_millicores(azure)
