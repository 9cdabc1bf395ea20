"""What looks at the stack: Prometheus, Jaeger and Grafana, ours or those that the environment names."""

import asyncio
import os
import sys
from collections.abc import Iterable, Mapping, Sequence
from functools import partial
from urllib.parse import urlsplit

from clinic_lib.local import jaeger_build
from clinic_lib.local.child import Child
from clinic_lib.local.errors import StackError
from clinic_lib.local.folder import ClinicFolder
from clinic_lib.local.grafana import Grafana
from clinic_lib.local.jaeger import Jaeger
from clinic_lib.local.observe_files import ObserveFiles, Ports, Target, data_sources
from clinic_lib.local.program import Program
from clinic_lib.local.progress import Progress
from clinic_lib.local.project import Project
from clinic_lib.local.prometheus import Prometheus, answers_at
from clinic_lib.local.spawn import problem_of
from clinic_lib.plural import counted

__all__ = ["Observation"]

OTLP_PORT = 4318
COMPOSE = "docker compose -f .clinic/observe/compose.yaml up"


class Observation:
    """`children` are those that are ours to start and stop; `urls` where each of the three is looked at."""

    def __init__(
        self, project: Project, folder: ClinicFolder, progress: Progress, *, build_jaeger: bool = False
    ) -> None:
        self._project = project
        self._progress = progress
        self._files = ObserveFiles(folder.observe)
        self._given = {
            name: os.environ[f"{name.upper()}_URL"].rstrip("/")
            for name in ("prometheus", "jaeger", "grafana")
            if os.environ.get(f"{name.upper()}_URL")
        }
        data = folder.observe / "data"
        prometheus = Prometheus(data / "prometheus", self._files.prometheus, project.prometheus_port)
        self._jaeger = Jaeger(data / "jaeger", self._files.jaeger, project.jaeger_port)
        ours: list[Program] = [prometheus] if "prometheus" not in self._given else []
        ours += [self._jaeger] if self._runs_jaeger(build_jaeger) else []
        self.children = {
            program.name: Child(
                program, folder.logs / f"{program.name}.log", partial(progress.say, program.name)
            )
            for program in ours
        }
        urls = {each.name: each.url for each in (prometheus, self._jaeger) if each.name in self.children}
        self.urls: Mapping[str, str] = urls | self._given

    @property
    def environment(self) -> Mapping[str, str]:
        """What a service has to know to send its traces; it may know it already."""
        if "jaeger" in self.children:
            return {"OTEL_EXPORTER_OTLP_ENDPOINT": self._jaeger.otlp_endpoint}
        if "jaeger" in self._given and "OTEL_EXPORTER_OTLP_ENDPOINT" not in os.environ:
            host = urlsplit(self._given["jaeger"]).hostname
            return {"OTEL_EXPORTER_OTLP_ENDPOINT": f"http://{host}:{OTLP_PORT}"}
        return {}

    async def start(self, targets: Iterable[Target]) -> None:
        """Writes the files, starts what is ours, and hands a Grafana that is named its dashboards.

        Raises `StackError` that says what does not serve.
        """
        self._files.write(Ports(self._project.prometheus_port, self._project.jaeger_port))
        targets = list(targets)
        self._files.write_targets(targets)
        await self._write_rules(sorted({each.service for each in targets}))
        self._say_what_is_missing()
        async with asyncio.TaskGroup() as starts:
            for child in self.children.values():
                starts.create_task(child.start())
            for name in ("prometheus", "jaeger"):
                if name in self._given:
                    starts.create_task(self._require(name, self._given[name]))
        if "grafana" in self._given:
            await self._provision(Grafana(self._given["grafana"]))

    def follow(self, targets: Iterable[Target]) -> None:
        """Has Prometheus scrape these from now on."""
        self._files.write_targets(targets)

    def _runs_jaeger(self, build: bool) -> bool:
        if "jaeger" in self._given or "OTEL_EXPORTER_OTLP_ENDPOINT" in os.environ:
            return False
        return build or jaeger_build.find() is not None

    async def _write_rules(self, services: Sequence[str]) -> None:
        """By the project's function, in a process of its own: what it imports is large. Without it goes on."""
        if self._project.observe is None:
            self._progress.say("prometheus", "no rules, no dashboards: [tool.clinic] names no `observe`")
            return
        command = (sys.executable, "-m", "clinic_lib.local.observe_files", self._project.observe)
        arguments = (str(self._files.folder), *services)
        if problem := await problem_of(*command, *arguments, folder=self._project.folder):
            self._progress.say("prometheus", f"no rules, no dashboards: {problem.splitlines()[-1]}")

    def _say_what_is_missing(self) -> None:
        if not self.environment and "OTEL_EXPORTER_OTLP_ENDPOINT" not in os.environ:
            ways = f"--jaeger builds it with Go, `{COMPOSE} jaeger` starts one for JAEGER_URL"
            self._progress.say("jaeger", f"none, so no traces: {ways}")
        if "grafana" not in self._given:
            ways = (
                f"`{COMPOSE} grafana` starts one with the dashboards, GRAFANA_URL names one to be given them"
            )
            self._progress.say("grafana", f"none: {ways}")
        if "prometheus" in self._given:
            has_to = f"has to scrape {self._files.folder}/targets.json and load {self._files.folder}/rules"
            self._progress.say("prometheus", f"the one at {self._given['prometheus']} {has_to}")

    async def _require(self, name: str, url: str) -> None:
        if problem := await answers_at(url):
            raise StackError(
                f"{name.upper()}_URL is wrong: {problem}; start {name.capitalize()} there, or unset the variable."
            )

    async def _provision(self, grafana: Grafana) -> None:
        sources = data_sources(Ports(self._project.prometheus_port, self._project.jaeger_port))
        known = [
            {**source, "url": self.urls[name]}
            for source in sources
            if (name := str(source["uid"])) in self.urls
        ]
        dashboards = self._files.dashboards
        await grafana.provision(known, dashboards)
        self._progress.say(
            "grafana", f"has {counted(len(dashboards), 'dashboard')}, at {grafana.url}/dashboards/f/clinic"
        )
