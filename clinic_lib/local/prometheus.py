"""A real Prometheus as a child process: scrapes every process of the stack, evaluates the project's rules."""

from pathlib import Path

import aiohttp

from clinic_lib.local import once, prometheus_package
from clinic_lib.local.ports import LOOPBACK
from clinic_lib.local.program import Launch, Say

__all__ = ["Prometheus", "answers_at"]

RETENTION = "7d"


class Prometheus:
    """On `port`; `folder` has its configuration, and takes its data."""

    name = "prometheus"

    def __init__(self, folder: Path, configuration: Path, port: int) -> None:
        self.folder = folder
        self.port = port
        self._configuration = configuration

    @property
    def ports(self) -> tuple[int, ...]:
        return (self.port,)

    @property
    def url(self) -> str:
        return f"http://{LOOPBACK}:{self.port}"

    async def prepare(self, say: Say) -> Launch:
        """Fetches the program when it is not there."""
        why = "fetching Debian's package of it, once per machine"
        program = await once.at_hand(prometheus_package.find, "clinic_lib.local.prometheus_package", why, say)
        self.folder.mkdir(parents=True, exist_ok=True)
        return Launch(
            command=(
                str(program),
                f"--config.file={self._configuration}",
                f"--storage.tsdb.path={self.folder}",
                f"--storage.tsdb.retention.time={RETENTION}",
                f"--web.listen-address={LOOPBACK}:{self.port}",
                "--enable-feature=exemplar-storage",
                "--log.level=warn",
            ),
            folder=self.folder,
            environment={},
        )

    async def why_not_serving(self) -> str | None:
        """It serves when it says that it is ready."""
        return await answers_at(f"{self.url}/-/ready")


async def answers_at(url: str) -> str | None:
    """Why nothing useful is answered there; None when it is."""
    try:
        timeout = aiohttp.ClientTimeout(total=5)
        async with aiohttp.ClientSession(timeout=timeout) as session, session.get(url) as answer:
            return None if answer.ok else f"{url} answers {answer.status}"
    except (aiohttp.ClientError, TimeoutError, ValueError) as exc:
        return f"{url} does not answer ({exc or 'it takes too long'})"
