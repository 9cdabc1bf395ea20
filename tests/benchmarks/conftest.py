"""The benchmarks in the suite are small: they ask whether the gate passes, and only note the time."""

import pytest

from tests.benchmarks.ground import Servers


@pytest.fixture
def ground(kafka_bootstrap_servers: str, postgresql_url: str) -> Servers:
    """The session's servers."""
    return Servers(kafka_bootstrap_servers, postgresql_url)
