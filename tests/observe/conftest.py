"""Both systems, with a Prometheus that scrapes them, and the recorded samples of what a cluster adds."""

from collections.abc import Iterator
from dataclasses import dataclass

import pytest

from infra.alerts.alert import group_of
from infra.alerts.pace import Pace
from infra.observe import OF_THE_CLUSTER, all_alerts
from tests.observe import samples
from tests.observe.happenings import everything
from tests.observe.prometheus import Prometheus, Target, running
from tests.scenarios.clinic import PORT_OFFSET, Clinic, eventually, running_clinic

PROMETHEUS_PORT, SAMPLES_PORT = 6990 + PORT_OFFSET, 6991 + PORT_OFFSET

PACE = Pace(factor=30)
"""Here an hour passes in two minutes: a `for` of two minutes takes 4 s, the short window of five minutes 10 s, and an
event is old after 2 s. The rules are made by the functions that make the real ones, and differ in nothing else."""

FEW_COMMANDS = {"WAITING_COMMANDS": "8"}
"""So many wait at a service at most, so that a test can send more than it takes."""


@dataclass(frozen=True)
class Watched:
    clinic: Clinic
    prometheus: Prometheus


@pytest.fixture(scope="package")
def watched(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Watched]:
    """Everything has happened in it once. It ends with this package: tests of others use the same ports."""
    rules = {
        "groups": [
            group_of(name, alerts, PACE)
            for name, alerts in all_alerts(PACE).items()
            if name not in OF_THE_CLUSTER
        ]
    }
    with (
        running_clinic(tmp_path_factory.mktemp("clinic"), variables=FEW_COMMANDS) as clinic,
        samples.served(SAMPLES_PORT) as cluster,
        running(
            tmp_path_factory.mktemp("prometheus"),
            PROMETHEUS_PORT,
            [*targets(clinic), Target("cluster", cluster, labels_stay=True)],
            rules,
        ) as prometheus,
    ):
        eventually(lambda: prometheus.scrapes() or None, within=20)
        everything(clinic)
        yield Watched(clinic, prometheus)


def targets(clinic: Clinic) -> list[Target]:
    """A service's metrics are on its admin port."""
    return [Target(name, f"127.0.0.1:{port + 1000}") for name, port in clinic.ports.items()]
