"""A real Jaeger as a child process: takes the services' traces, keeps them in memory, and answers about them."""

from pathlib import Path

from clinic_lib.local import jaeger_build, once
from clinic_lib.local.ports import LOOPBACK
from clinic_lib.local.program import Launch, Say
from clinic_lib.local.prometheus import answers_at

__all__ = ["Jaeger"]


class Jaeger:
    """Answers on `port`, takes traces by OTLP over HTTP on the next one; `folder` is where it runs."""

    name = "jaeger"

    def __init__(self, folder: Path, configuration: Path, port: int) -> None:
        self.folder = folder
        self.port = port
        self._configuration = configuration

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
        """Builds the program when it is not there."""
        why = "building it with Go, once per machine: this takes minutes"
        program = await once.at_hand(jaeger_build.find, "clinic_lib.local.jaeger_build", why, say)
        self.folder.mkdir(parents=True, exist_ok=True)
        return Launch(
            command=(str(program), f"--config={self._configuration}"), folder=self.folder, environment={}
        )

    async def why_not_serving(self) -> str | None:
        """It serves when it tells which services it knows."""
        return await answers_at(f"{self.url}/api/services")
