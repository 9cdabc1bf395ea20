"""`clinic up --observe`: a real Prometheus beside the stack, and whatever else can be had."""

import json
import os
import re
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import httpx2
import pytest
import yaml

from clinic_lib.local import jaeger_build, prometheus_package
from clinic_lib.local.folder import ClinicFolder
from clinic_lib.local.observe_files import ObserveFiles, Ports, Target
from clinic_lib.local.ports import free_port
from tests.local.conftest import Clinic, processes_of, project
from tests.local.grafana import Refusing, Taking, serving

WRITE = """
import json
from pathlib import Path

def write(folder: Path, services: list[str]) -> None:
    rule = {"alert": "TinyIsDown", "expr": 'up{job="tiny"} == 0', "labels": {"severity": "page"}}
    (folder / "rules" / "tiny.yaml").write_text(json.dumps({"groups": [{"name": "tiny", "rules": [rule]}]}))
    (folder / "dashboards" / "tiny.json").write_text(json.dumps({"uid": "tiny", "title": "Tiny", "id": 7}))
"""


@pytest.fixture(scope="module")
def _prometheus() -> None:
    """Fetched as the product fetches it."""
    if os.environ.get("CI") != "true" and not (prometheus_package.find() or shutil.which("apt-get")):
        pytest.skip("there is no prometheus on the PATH, and no apt-get to fetch it with")
    if prometheus_package.find() is None:
        prometheus_package.fetch()


@pytest.fixture
def observed(tmp_path: Path, servers: Mapping[str, str]) -> "Observed":
    return Observed(tmp_path, servers)


class Observed:
    """A project with two tiny services whose `observe` writes one rule and one dashboard."""

    def __init__(self, folder: Path, servers: Mapping[str, str]) -> None:
        self.folder = folder
        self.prometheus_port, self.jaeger_port = free_port(), free_port()
        self._servers = servers

    def clinic(self, *, observe: str = "watch:write", **environment: str) -> Clinic:
        clinic = project(self.folder, {**self._servers, **environment})
        declared = f'prometheus_port = {self.prometheus_port}\njaeger_port = {self.jaeger_port}\nobserve = "{observe}"'
        file = self.folder / "pyproject.toml"
        file.write_text(file.read_text().replace("[tool.clinic]\n", f"[tool.clinic]\n{declared}\n", 1))
        (self.folder / "watch.py").write_text(WRITE)
        return clinic

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.prometheus_port}"

    def asked(self, path: str) -> Any:
        return httpx2.get(f"{self.url}/api/v1/{path}", timeout=5).json()["data"]

    def scraped(self) -> list[str]:
        """The jobs of the targets that answer."""
        targets = self.asked("targets")["activeTargets"]
        return sorted(each["labels"]["job"] for each in targets if each["health"] == "up")


def eventually(holds: Callable[[], bool], seconds: float = 30) -> None:
    deadline = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < deadline, "it did not come"
        time.sleep(0.1)


@pytest.mark.usefixtures("_prometheus")
def test_prometheus_scrapes_every_process_follows_scale_and_has_the_project_s_rules(
    observed: Observed,
) -> None:
    clinic = observed.clinic()

    with clinic.up("--observe"):
        eventually(lambda: observed.scraped() == ["other", "tiny"])
        clinic("scale", "tiny", "2")
        eventually(lambda: observed.scraped() == ["other", "tiny", "tiny"])
        clinic("scale", "tiny", "1")
        eventually(lambda: observed.scraped() == ["other", "tiny"])
        (group,) = observed.asked("rules")["groups"]
        assert [rule["name"] for rule in group["rules"]] == ["TinyIsDown"]
        assert observed.asked("query?query=process_start_time_seconds")["result"]

        clinic("stop", "tiny")

        eventually(lambda: [each["state"] for each in observed.asked("alerts")["alerts"]] == ["firing"])
        assert observed.url in clinic("status").stdout
        infrastructure = {each["name"]: each for each in clinic.status()["infrastructure"]}
        assert infrastructure["prometheus"]["url"] == observed.url
        assert infrastructure["prometheus"]["state"] == "running"
        assert clinic("stop", "prometheus").returncode == 0
        assert clinic("start", "prometheus").returncode == 0
    assert processes_of(clinic.folder) == []


@pytest.mark.usefixtures("_prometheus")
def test_without_what_the_project_s_function_needs_it_goes_on_and_says_so(observed: Observed) -> None:
    clinic = observed.clinic(observe="no_such_module:write")
    with (observed.folder / "said").open("w") as said, clinic.up("--observe", stderr=said):
        eventually(lambda: observed.scraped() == ["other", "tiny"])

    lines = (observed.folder / "said").read_text().splitlines()
    assert (
        len([line for line in lines if "no_such_module:write of [tool.clinic] can't be imported" in line])
        == 1
    )


@pytest.mark.usefixtures("_prometheus")
def test_what_is_named_by_url_is_used_instead(observed: Observed, tmp_path: Path) -> None:
    with serving(Taking()) as (port, taking):
        clinic = observed.clinic(GRAFANA_URL=f"http://127.0.0.1:{port}", GRAFANA_TOKEN="secret")

        with clinic.up("--observe"):
            infrastructure = {each["name"]: each for each in clinic.status()["infrastructure"]}

    assert infrastructure["grafana"]["state"] == "elsewhere"
    assert taking.sources["prometheus"]["url"] == observed.url
    assert ("jaeger" in taking.sources) is ("jaeger" in infrastructure)
    assert taking.dashboards == {"tiny": {"uid": "tiny", "title": "Tiny", "id": None}}
    assert taking.folders == {"clinic": "Clinic"}
    assert taking.tokens == {"Bearer secret"}


@pytest.mark.parametrize("name", ["PROMETHEUS_URL", "GRAFANA_URL", "JAEGER_URL"])
@pytest.mark.usefixtures("_prometheus")
def test_one_that_is_named_and_away_is_said_in_a_sentence(observed: Observed, name: str) -> None:
    clinic = observed.clinic(**{name: f"http://127.0.0.1:{free_port()}"})

    refused = clinic("up", "--observe")

    assert refused.returncode == 1
    last = refused.stderr.strip().splitlines()[-1]
    assert last.startswith(name)
    assert "unset the variable" in last


@pytest.mark.usefixtures("_prometheus")
def test_a_grafana_that_refuses_wants_a_token(observed: Observed) -> None:
    with serving(Refusing()) as (port, _):
        clinic = observed.clinic(GRAFANA_URL=f"http://127.0.0.1:{port}")

        refused = clinic("up", "--observe")

    assert refused.returncode == 1
    assert "give GRAFANA_TOKEN the token of a service account" in refused.stderr


def test_a_collector_that_is_named_is_told_to_the_services(observed: Observed) -> None:
    clinic = observed.clinic(
        PROMETHEUS_URL="http://127.0.0.1:9", OTEL_EXPORTER_OTLP_ENDPOINT="http://127.0.0.1:4318"
    )

    refused = clinic("up", "--observe")

    assert "PROMETHEUS_URL is wrong" in refused.stderr
    assert "no traces" not in refused.stderr


def test_on_a_machine_without_apt_a_sentence_names_the_ways_out(tmp_path: Path) -> None:
    ran = subprocess.run(
        [sys.executable, "-m", "clinic_lib.local.prometheus_package"],
        env={"PATH": str(tmp_path), "XDG_CACHE_HOME": str(tmp_path), "PYTHONPATH": str(Path.cwd())},
        capture_output=True,
        text=True,
        check=False,
    )

    assert ran.returncode == 1
    (sentence,) = ran.stderr.strip().splitlines()
    assert all(
        way in sentence for way in ("no apt-get here", "on the PATH", "PROMETHEUS_URL", "docker compose")
    )


def test_on_a_machine_without_go_jaeger_names_the_ways_out(tmp_path: Path) -> None:
    ran = subprocess.run(
        [sys.executable, "-m", "clinic_lib.local.jaeger_build"],
        env={"PATH": str(tmp_path), "XDG_CACHE_HOME": str(tmp_path), "PYTHONPATH": str(Path.cwd())},
        capture_output=True,
        text=True,
        check=False,
    )

    assert ran.returncode == 1
    (sentence,) = ran.stderr.strip().splitlines()
    assert all(way in sentence for way in ("no go here", "on the PATH", "JAEGER_URL", "docker compose"))


@pytest.mark.usefixtures("_prometheus")
def test_promtool_finds_nothing_wrong_with_the_configuration(tmp_path: Path) -> None:
    files = ObserveFiles(tmp_path)
    files.write(Ports(19090, 16686))
    files.write_targets([Target("order", 9091), Target("order", 9191)])

    checked = subprocess.run(
        [str(prometheus_package.find("promtool")), "check", "config", str(files.prometheus)],
        capture_output=True,
        text=True,
        check=False,
    )

    assert checked.returncode == 0, checked.stderr
    assert json.loads((tmp_path / "targets.json").read_text())[1] == {
        "targets": ["127.0.0.1:9191"],
        "labels": {"job": "order"},
    }


def test_the_containers_are_pinned_and_know_every_port_they_use(tmp_path: Path) -> None:
    ObserveFiles(tmp_path).write(Ports(19090, 16686, 3000))

    text = (tmp_path / "compose.yaml").read_text()

    given = dict(line.split("=") for line in (tmp_path / ".env").read_text().splitlines())
    assert set(re.findall(r"\$\{(\w+)\}", text)) == given.keys()
    services = yaml.safe_load(text)["services"]
    assert services.keys() == {"prometheus", "jaeger", "grafana"}
    assert all(re.fullmatch(r"[a-z/]+:v?\d+\.\d+\.\d+", each["image"]) for each in services.values())
    for each in services.values():
        for volume in each.get("volumes", []):
            assert (tmp_path / volume.split(":")[0]).exists()


@pytest.mark.skipif(
    jaeger_build.find() is None, reason="Jaeger is not built here: `clinic up --jaeger` does it"
)
@pytest.mark.usefixtures("_prometheus")
def test_jaeger_takes_traces_and_answers_about_them(observed: Observed) -> None:
    clinic = observed.clinic()
    span = {
        "traceId": "0af7651916cd43dd8448eb211c80319c",
        "spanId": "b7ad6b7169203331",
        "name": "a step",
        "startTimeUnixNano": str(time.time_ns() - 1000),
        "endTimeUnixNano": str(time.time_ns()),
    }
    service = {"key": "service.name", "value": {"stringValue": "tiny"}}
    spans = {"resource": {"attributes": [service]}, "scopeSpans": [{"spans": [span]}]}

    with clinic.up("--observe"):
        endpoint = f"http://127.0.0.1:{observed.jaeger_port + 1}/v1/traces"
        httpx2.post(endpoint, json={"resourceSpans": [spans]}).raise_for_status()

        def is_known() -> bool:
            url = f"http://127.0.0.1:{observed.jaeger_port}/api/services"
            answer: dict[str, list[str]] = httpx2.get(url).json()
            return "tiny" in answer["data"]

        eventually(is_known)


@pytest.fixture(autouse=True)
def _erased(tmp_path: Path) -> Iterator[None]:
    yield
    ClinicFolder(tmp_path).erase()
