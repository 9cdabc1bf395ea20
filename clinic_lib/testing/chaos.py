"""What a test is given as `chaos`: the run's seed, and systems to let suffer."""

from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path

from clinic_lib.local.errors import StackError
from clinic_lib.local.folder import ClinicFolder
from clinic_lib.local.project import System, read_project
from clinic_lib.testing.ports import moved
from clinic_lib.testing.servers import running
from clinic_lib.testing.system import RunningSystem

__all__ = ["Chaos"]


class Chaos:
    """`seed` draws the faults. `project` is the folder that services are imported from, `folder` a run's own."""

    def __init__(self, seed: int, *, project: Path, folder: Path, seconds: float | None = None) -> None:
        self.seed = seed
        self._project = project
        self._folder = folder
        self._seconds = seconds
        self._systems: list[RunningSystem] = []

    def seconds(self, otherwise: float) -> float:
        """How long a load shall last: what --chaos-seconds says, or this."""
        return otherwise if self._seconds is None else self._seconds

    @asynccontextmanager
    async def up(
        self,
        system: str | System | None = None,
        *,
        replicas: Mapping[str, int] | None = None,
        env: Mapping[str, str] | None = None,
    ) -> AsyncIterator[RunningSystem]:
        """A system of [tool.clinic] (its name; the first one without it) or one given in code, on a real Kafka
        and a real PostgreSQL of its own. `replicas` says how many processes a service has, if not one; `env` is
        what every service finds in its environment beside what is declared.

        Raises `StackError`, alone or in a group, when it does not serve.
        """
        declared = system if isinstance(system, System) else self._declared(system)
        declared = moved(declared, env or {})
        folder = ClinicFolder(self._folder / str(len(self._systems) + 1))
        folder.path.parent.mkdir(parents=True)
        async with running(declared, replicas or {}, project=self._project, folder=folder) as ground:
            suffering = RunningSystem(declared, replicas or {}, ground, seed=self.seed)
            self._systems.append(suffering)
            try:
                await suffering.observe()
                yield suffering
            finally:
                await suffering.close()

    def report(self, again: str) -> str:
        """What a failing test prints; `again` is the command that repeats it."""
        return "\n".join(self._lines(again))

    def _declared(self, name: str | None) -> System:
        exists = (self._project / "pyproject.toml").exists()
        project = read_project(self._project) if exists else None
        if project is None:
            raise StackError(f"There is no [tool.clinic] in {self._project / 'pyproject.toml'}.")
        return project.system(name)

    def _lines(self, again: str) -> Iterator[str]:
        yield f"seed {self.seed}; again: {again}"
        yield f"logs: {self._folder}"
        for system in self._systems:
            for plan in system.plans:
                yield "planned:"
                yield from (f"  {fault}" for fault in plan)
            yield "happened:"
            yield from system.history.lines
            yield f"in all: {system.history}"
            yield from (f"broken: {each}" for each in system.broken)
