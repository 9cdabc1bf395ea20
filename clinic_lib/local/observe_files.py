"""The files of .clinic/observe: what Prometheus, Jaeger and Grafana read, ours or containers that have it mounted.

prometheus.yaml   scrapes targets.json, evaluates rules/
jaeger.json       takes traces by OTLP over HTTP, keeps them in memory
targets.json      every process of the stack; written anew when a service is scaled
rules/            the project's rules, by the function that [tool.clinic] names as `observe`
dashboards/       its dashboards, by the same
grafana/          data sources and dashboards, as Grafana provisions them
compose.yaml      all three as containers, for who has Docker; .env has the ports that it has to know

Run as a module (`python -m clinic_lib.local.observe_files MODULE:FUNCTION FOLDER SERVICE…`) it calls the project's
function.
"""

import importlib
import json
import shutil
import sys
from collections.abc import Iterable, Sequence
from importlib.resources import files
from pathlib import Path
from typing import NamedTuple

from clinic_lib.local.errors import StackError
from clinic_lib.local.ports import LOOPBACK

__all__ = ["ObserveFiles", "Ports", "Target"]

SCRAPED_EVERY = "5s"
MOST_TRACES = 50_000


class Target(NamedTuple):
    """A process to be scraped."""

    service: str
    admin_port: int


class Ports(NamedTuple):
    """Where each is served, or would be."""

    prometheus: int
    jaeger: int
    grafana: int = 3000


class ObserveFiles:
    """In `folder`, which is made."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    @property
    def prometheus(self) -> Path:
        return self.folder / "prometheus.yaml"

    @property
    def jaeger(self) -> Path:
        return self.folder / "jaeger.json"

    @property
    def dashboards(self) -> list[Path]:
        return sorted((self.folder / "dashboards").glob("*.json"))

    def write(self, ports: Ports) -> None:
        """All but the targets and what the project's function writes; of an earlier run's none is left."""
        for name in ("rules", "dashboards"):
            shutil.rmtree(self.folder / name, ignore_errors=True)
            (self.folder / name).mkdir(parents=True)
        grafana = self.folder / "grafana"
        for name in ("datasources", "dashboards"):
            (grafana / name).mkdir(parents=True, exist_ok=True)
        # JSON is YAML, too
        _write(self.prometheus, _prometheus())
        _write(self.jaeger, _jaeger(ports.jaeger))
        _write(grafana / "datasources" / "clinic.yaml", {"apiVersion": 1, "datasources": data_sources(ports)})
        _write(grafana / "dashboards" / "clinic.yaml", {"apiVersion": 1, "providers": [PROVIDER]})
        containers = f"PROMETHEUS_PORT={ports.prometheus}\nGRAFANA_PORT={ports.grafana}\n"
        (self.folder / ".env").write_text(containers)
        (self.folder / "compose.yaml").write_text(files(__package__).joinpath("compose.yaml").read_text())

    def write_targets(self, targets: Iterable[Target]) -> None:
        """Prometheus notices by itself. Each file appears whole."""
        groups = [
            {"targets": [f"{LOOPBACK}:{each.admin_port}"], "labels": {"job": each.service}}
            for each in targets
        ]
        fresh = self.folder / "targets.json.new"
        _write(fresh, groups)
        fresh.rename(self.folder / "targets.json")


PROVIDER = {"name": "clinic", "folder": "Clinic", "type": "file", "options": {"path": "/observe/dashboards"}}


def data_sources(ports: Ports) -> list[dict[str, object]]:
    """As Grafana takes them, in a file and over HTTP; the dashboards' links know them by their uids."""
    exemplars = [{"name": "trace_id", "datasourceUid": "jaeger"}]
    return [
        {
            "uid": "prometheus",
            "name": "Prometheus",
            "type": "prometheus",
            "access": "proxy",
            "url": f"http://{LOOPBACK}:{ports.prometheus}",
            "isDefault": True,
            "jsonData": {"timeInterval": SCRAPED_EVERY, "exemplarTraceIdDestinations": exemplars},
        },
        {
            "uid": "jaeger",
            "name": "Jaeger",
            "type": "jaeger",
            "access": "proxy",
            "url": f"http://{LOOPBACK}:{ports.jaeger}",
        },
    ]


def _prometheus() -> dict[str, object]:
    return {
        "global": {"scrape_interval": SCRAPED_EVERY, "evaluation_interval": SCRAPED_EVERY},
        "rule_files": ["rules/*.yaml"],
        "scrape_configs": [{"job_name": "clinic", "file_sd_configs": [{"files": ["targets.json"]}]}],
    }


def _jaeger(port: int) -> dict[str, object]:
    """Of the OpenTelemetry collector that Jaeger is."""
    memory = {"memory": {"max_traces": MOST_TRACES}}
    return {
        "extensions": {
            "jaeger_storage": {"backends": {"here": memory}},
            "jaeger_query": {
                "storage": {"traces": "here"},
                "enable_tracing": False,  # of itself
                "http": {"endpoint": f"{LOOPBACK}:{port}"},
                "grpc": {"endpoint": f"{LOOPBACK}:0"},
            },
        },
        "receivers": {"otlp": {"protocols": {"http": {"endpoint": f"{LOOPBACK}:{port + 1}"}}}},
        "processors": {"batch": {}},
        "exporters": {"jaeger_storage_exporter": {"trace_storage": "here"}},
        "service": {
            "extensions": ["jaeger_storage", "jaeger_query"],
            "pipelines": {
                "traces": {
                    "receivers": ["otlp"],
                    "processors": ["batch"],
                    "exporters": ["jaeger_storage_exporter"],
                }
            },
            "telemetry": {"metrics": {"level": "none"}, "logs": {"level": "warn"}},
        },
    }


def _write(path: Path, content: object) -> None:
    path.write_text(json.dumps(content, indent=2) + "\n")


def _call(function: str, folder: Path, services: Sequence[str]) -> None:
    """Raises `StackError` when the module can't be imported."""
    module, _, name = function.partition(":")
    try:
        write = getattr(importlib.import_module(module), name)
    except (ImportError, AttributeError) as exc:
        raise StackError(
            f"{function} of [tool.clinic] can't be imported ({exc}): install what it needs, or take `observe` out"
        ) from exc
    write(folder, services)


if __name__ == "__main__":
    sys.path.insert(0, str(Path.cwd()))
    try:
        _call(sys.argv[1], Path(sys.argv[2]), sys.argv[3:])
    except StackError as exc:
        sys.exit(str(exc))
