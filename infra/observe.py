"""Dashboards and alert rules as files, for a Prometheus and a Grafana outside the cluster.

    python -m infra.observe FOLDER

writes FOLDER/rules/*.yaml, for `rule_files` of Prometheus, and FOLDER/dashboards/*.json, which Grafana provisions or
imports. Their data source is chosen in Grafana; links to traces and logs go to the sources `jaeger` and `loki` (uids).
"""

import argparse
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import yaml

from infra.alerts import events, kafka, mesh, objective, postgresql
from infra.alerts.alert import RUNBOOKS, Alert, group_of
from infra.alerts.pace import REAL, Pace
from infra.common import common_insight
from infra.dashboards import database as database_dashboard
from infra.dashboards import kafka as kafka_dashboard
from infra.dashboards import mesh as mesh_dashboard
from infra.dashboards import service as service_dashboard
from infra.dashboards.board import Board
from infra.systems import SYSTEMS, System

__all__ = ["all_alerts", "all_boards", "write"]

OF_THE_CLUSTER = ("kafka", "postgresql", "mesh")
"""Groups whose series only a cluster has: elsewhere Kafka would always seem to be down."""


def all_boards(systems: Sequence[System] = SYSTEMS) -> list[Board]:
    """Every dashboard that a stack of these systems ships."""
    services = [(system, service) for system in systems for service in system.services]
    return [
        *common_insight(systems, RUNBOOKS).boards,
        *(service_dashboard.board(system, service) for system, service in services),
        database_dashboard.board(in_the_cluster=True),
        kafka_dashboard.board(),
        mesh_dashboard.board(),
    ]


def all_alerts(pace: Pace = REAL, systems: Sequence[System] = SYSTEMS) -> Mapping[str, Sequence[Alert]]:
    """Every alert that a stack of these systems ships, by group."""
    services = [service for system in systems for service in system.services]
    return {
        "common": events.alerts(pace),
        **{service.label: objective.alerts(service, pace) for service in services},
        "kafka": kafka.alerts(pace),
        "postgresql": postgresql.alerts(),
        "mesh": mesh.alerts(pace),
    }


def write(folder: Path, services: Collection[str] | None = None) -> None:
    """What a stack without a cluster needs; files of the same names are written over.

    `services` are those that run; of all others it would be said that they are down.
    """
    systems = SYSTEMS if services is None else list(_running(services))
    rules = {
        f"{name}.yaml": yaml.safe_dump({"groups": [group_of(name, alerts, REAL)]}, sort_keys=False)
        for name, alerts in all_alerts(systems=systems).items()
        if name not in OF_THE_CLUSTER
    }
    _fill(folder / "rules", rules)
    _fill(folder / "dashboards", {f"{board.uid}.json": board.json() for board in _shown(systems)})


def _running(services: Collection[str]) -> Iterator[System]:
    for system in SYSTEMS:
        if running := tuple(each for each in system.services if each.label in services):
            yield replace(system, services=running)


def _shown(systems: Sequence[System]) -> Iterator[Board]:
    for board in all_boards(systems):
        if board.uid == "database":
            yield database_dashboard.board(in_the_cluster=False)
        elif board.uid not in OF_THE_CLUSTER:
            yield board


def _fill(folder: Path, files: Mapping[str, str]) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    for name, text in files.items():
        (folder / name).write_text(text)


def main() -> None:
    parser = argparse.ArgumentParser(
        prog="python -m infra.observe",
        description="Writes FOLDER/rules/*.yaml for Prometheus and FOLDER/dashboards/*.json for Grafana.",
    )
    parser.add_argument(
        "folder", type=Path, metavar="FOLDER", help="is made; files of the same names are written over"
    )
    folder: Path = parser.parse_args().folder
    if folder.exists() and not folder.is_dir():
        parser.error(f"{folder} is a file: name a folder")
    write(folder)
    print(f"{folder}/rules: {len(list((folder / 'rules').iterdir()))} files")
    print(f"{folder}/dashboards: {len(list((folder / 'dashboards').iterdir()))} files")


if __name__ == "__main__":
    main()
