"""One clinic and one seat reservation for all scenarios, side by side."""

from collections.abc import Iterator

import httpx2
import pytest

from tests.scenarios.clinic import Clinic, running_clinic


@pytest.fixture(scope="session")
def clinic(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Clinic]:
    with running_clinic(tmp_path_factory.mktemp("clinic")) as clinic:
        yield clinic


@pytest.fixture
def gateway(clinic: Clinic) -> Iterator[httpx2.Client]:
    with clinic.client() as client:
        yield client


@pytest.fixture
def box_office(clinic: Clinic) -> Iterator[httpx2.Client]:
    """The seat reservation's gateway."""
    with clinic.client("reservation_gateway") as client:
        yield client
