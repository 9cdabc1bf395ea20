"""The recorded programs of all stacks, once a session."""

import pytest

from infra.recording import Program, record

STACKS = ("local", "dev", "prod")


@pytest.fixture(scope="session")
def programs() -> dict[str, Program]:
    return {stack: record(stack) for stack in STACKS}


@pytest.fixture(params=STACKS)
def program(request: pytest.FixtureRequest, programs: dict[str, Program]) -> Program:
    return programs[request.param]


@pytest.fixture
def local(programs: dict[str, Program]) -> Program:
    return programs["local"]
