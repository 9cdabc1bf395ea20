"""One clinic and one seat reservation for all scenarios, side by side."""

from collections.abc import Iterator

import httpx2
import pytest

from tests.collector import Collector, running_collector
from tests.scenarios.clinic import Clinic, running_clinic


@pytest.fixture(scope="session")
def collector() -> Iterator[Collector]:
    """Where the services' traces go."""
    with running_collector() as collector:
        yield collector


@pytest.fixture(scope="session")
def clinic(tmp_path_factory: pytest.TempPathFactory, collector: Collector) -> Iterator[Clinic]:
    variables = {"OTEL_EXPORTER_OTLP_ENDPOINT": collector.address, "OTEL_BSP_SCHEDULE_DELAY": "200"}
    with running_clinic(tmp_path_factory.mktemp("clinic"), variables=variables) as clinic:
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
