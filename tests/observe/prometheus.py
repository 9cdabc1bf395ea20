"""A real Prometheus for the tests: found on the PATH, or Debian's package unpacked into a cache, without root."""

import os
import shutil
import subprocess
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import httpx2
import pytest
import yaml

__all__ = ["Prometheus", "Target", "installed", "running"]

PACKAGE = "prometheus"
STARTS_WITHIN_SECONDS = 20.0


@dataclass(frozen=True)
class Target:
    """What is scraped. Samples bring namespace and pod as a cluster's relabelling would: these `labels_stay`."""

    job: str
    address: str
    labels_stay: bool = False


@dataclass(frozen=True)
class Prometheus:
    client: httpx2.Client

    def ask(self, expression: str) -> list[dict[str, Any]]:
        """The series of an instant query. Raises `AssertionError` with what Prometheus says against it."""
        answer = self.client.post("/api/v1/query", data={"query": expression}).json()
        assert answer["status"] == "success", f"{expression}: {answer['error']}"
        return list(answer["data"]["result"])

    def value(self, expression: str) -> float | None:
        """Of the highest series."""
        values = [float(series["value"][1]) for series in self.ask(expression)]
        return max(values, default=None)

    def names(self) -> set[str]:
        """Of all metrics that were ever scraped."""
        answer = self.client.get("/api/v1/label/__name__/values").json()
        return set(answer["data"])

    def firing(self) -> set[tuple[str, str]]:
        """Alerts, each with the service that it is about."""
        alerts = self.client.get("/api/v1/alerts").json()["data"]["alerts"]
        return {
            (each["labels"]["alertname"], each["labels"].get("service", ""))
            for each in alerts
            if each["state"] == "firing"
        }

    def scrapes(self) -> bool:
        """Whether every target has answered; it looks for its targets some seconds after it has started."""
        targets = self.client.get("/api/v1/targets").json()["data"]["activeTargets"]
        return bool(targets) and all(each["health"] == "up" for each in targets)


@cache
def installed(program: str) -> str:
    """The path of `prometheus` or `promtool`. Skips the test where there is none, and no apt-get to fetch it."""
    if found := shutil.which(program):
        return found
    folder = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "clinic" / "prometheus"
    path = folder / "usr" / "bin" / program
    if not path.exists():
        if shutil.which("apt-get") is None or shutil.which("dpkg-deb") is None:
            pytest.skip(f"there is no {program} on the PATH, and no apt-get to fetch it with")
        _fetch(folder)
    return str(path)


def _fetch(folder: Path) -> None:
    """Into a folder beside it first: another test run may do the same."""
    folder.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=folder.parent) as fresh:
        download = ["apt-get", "-o", "APT::Sandbox::User=root", "download", PACKAGE]
        if subprocess.run(download, cwd=fresh, capture_output=True, check=False).returncode:
            # a new machine has no lists yet; who may not renew them is told by the second try
            subprocess.run(["apt-get", "update"], capture_output=True, check=False)
            again = subprocess.run(download, cwd=fresh, capture_output=True, text=True, check=False)
            assert again.returncode == 0, f"install {PACKAGE}, or run apt-get update as root: {again.stderr}"
        package = next(Path(fresh).glob("*.deb"))
        unpacked = Path(fresh) / "unpacked"
        subprocess.run(["dpkg-deb", "-x", package, unpacked], check=True)
        if not folder.exists():
            unpacked.rename(folder)


@contextmanager
def running(
    folder: Path, port: int, targets: Sequence[Target], rules: Mapping[str, Any] | None = None
) -> Iterator[Prometheus]:
    """Scrapes and evaluates once a second."""
    if rules:
        (folder / "rules.yaml").write_text(yaml.safe_dump(rules))
    (folder / "prometheus.yaml").write_text(yaml.safe_dump(_configuration(targets, bool(rules))))
    command = [
        installed("prometheus"),
        f"--config.file={folder / 'prometheus.yaml'}",
        f"--storage.tsdb.path={folder / 'data'}",
        f"--web.listen-address=127.0.0.1:{port}",
        "--enable-feature=exemplar-storage",
        "--log.level=warn",
    ]
    with (
        (folder / "prometheus.log").open("w") as log,
        httpx2.Client(base_url=f"http://127.0.0.1:{port}", timeout=10) as client,
        subprocess.Popen(command, stderr=log) as process,
    ):
        try:
            _wait_until_ready(client, process, folder)
            yield Prometheus(client)
        finally:
            process.terminate()
            process.wait(10)


def _configuration(targets: Sequence[Target], rules: bool) -> dict[str, Any]:
    return {
        "global": {"scrape_interval": "1s", "scrape_timeout": "1s", "evaluation_interval": "1s"},
        "rule_files": ["rules.yaml"] if rules else [],
        "scrape_configs": [
            {
                "job_name": target.job,
                "honor_labels": target.labels_stay,
                "metrics_path": "/metrics",
                "static_configs": [{"targets": [target.address]}],
            }
            for target in targets
        ],
    }


def _wait_until_ready(client: httpx2.Client, process: subprocess.Popen[bytes], folder: Path) -> None:
    deadline = time.monotonic() + STARTS_WITHIN_SECONDS
    while time.monotonic() < deadline and process.poll() is None:
        try:
            if client.get("/-/ready").is_success:
                return
        except httpx2.TransportError:
            pass
        time.sleep(0.1)
    raise AssertionError(f"Prometheus did not start: {(folder / 'prometheus.log').read_text()}")
