"""A real Jaeger as a child process: takes the services' traces, keeps them in memory, and answers about them."""

import json
import sys
from pathlib import Path

from clinic_lib.local import jaeger_build
from clinic_lib.local.errors import StackError
from clinic_lib.local.ports import LOOPBACK
from clinic_lib.local.program import Launch, Say
from clinic_lib.local.prometheus import answers_at
from clinic_lib.local.spawn import problem_of

__all__ = ["Jaeger"]

MOST_TRACES = 50_000


class Jaeger:
    """Answers on `port`, takes traces by OTLP over HTTP on the next one."""

    name = "jaeger"

    def __init__(self, folder: Path, port: int) -> None:
        self.folder = folder
        self.port = port

    @property
    def ports(self) -> tuple[int, ...]:
        return self.port, self.port + 1

    @property
    def url(self) -> str:
        return f"http://{LOOPBACK}:{self.port}"

    @property
    def otlp_endpoint(self) -> str:
        return f"http://{LOOPBACK}:{self.port + 1}"

    async def prepare(self, say: Say) -> Launch:
        """Builds the program when it is not there, and writes its configuration."""
        program = jaeger_build.find()
        if program is None:
            say("building it with Go, once per machine: this takes minutes")
            if problem := await problem_of(sys.executable, "-m", "clinic_lib.local.jaeger_build", say=say):
                raise StackError(problem.splitlines()[-1])
            program = jaeger_build.find()
            assert program is not None
        self.folder.mkdir(parents=True, exist_ok=True)
        configuration = self.folder / "jaeger.json"
        configuration.write_text(json.dumps(self._configuration(), indent=2))
        return Launch(command=(str(program), f"--config={configuration}"), folder=self.folder, environment={})

    async def why_not_serving(self) -> str | None:
        """It serves when it tells which services it knows."""
        return await answers_at(f"{self.url}/api/services")

    def _configuration(self) -> dict[str, object]:
        """Of the OpenTelemetry collector that it is."""
        memory = {"memory": {"max_traces": MOST_TRACES}}
        return {
            "extensions": {
                "jaeger_storage": {"backends": {"here": memory}},
                "jaeger_query": {
                    "storage": {"traces": "here"},
                    "http": {"endpoint": f"{LOOPBACK}:{self.port}"},
                    "grpc": {"endpoint": f"{LOOPBACK}:0"},
                },
            },
            "receivers": {"otlp": {"protocols": {"http": {"endpoint": f"{LOOPBACK}:{self.port + 1}"}}}},
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
