"""The foreground process of `clinic up`: starts everything, says `ready`, and ends everything."""

import asyncio
import signal
from collections.abc import Coroutine, Iterator, Mapping
from dataclasses import dataclass

import typer

from clinic_lib.local.control_server import control_server, problems
from clinic_lib.local.errors import StackError
from clinic_lib.local.folder import ClinicFolder
from clinic_lib.local.observation import Observation
from clinic_lib.local.progress import Progress
from clinic_lib.local.project import Project, System
from clinic_lib.local.stack import Stack

__all__ = ["Wanted", "up"]

ENDS_ON = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


@dataclass(frozen=True)
class Wanted:
    """Which systems to run, none for Kafka and PostgreSQL alone; `fresh` erases their data before, `observe` has
    Prometheus and the like look at them, `jaeger` has Jaeger built for it.
    """

    systems: Mapping[str, System]
    fresh: bool = False
    observe: bool = False
    jaeger: bool = False


def up(project: Project, wanted: Wanted) -> None:
    """Runs until it is told to end.

    Raises `StackError` when something does not start; everything is ended then.
    """
    folder = ClinicFolder(project.folder)
    with folder.locked():
        if wanted.fresh:
            folder.erase()
        folder.erase_logs()
        try:
            asyncio.run(_run(project, wanted, folder))
        except* StackError as group:
            raise StackError("\n".join(problems(group))) from None


async def _run(project: Project, wanted: Wanted, folder: ClinicFolder) -> None:
    progress = Progress()
    observation = (
        Observation(project, folder, progress, build_jaeger=wanted.jaeger)
        if wanted.observe or wanted.jaeger
        else None
    )
    stack = Stack(project, list(wanted.systems.values()), folder, progress, observation)
    end = asyncio.Event()
    for number in ENDS_ON:
        asyncio.get_running_loop().add_signal_handler(number, end.set)
    try:
        async with control_server(folder, stack):
            with progress.working("starting"):
                served = await _unless(end, stack.start_all())
            if served:
                for name, url in (observation.urls if observation else {}).items():
                    progress.say(name, url)
                for line in _ready(wanted.systems, stack):
                    typer.echo(line)
                await end.wait()
    finally:
        if end.is_set():
            progress.say("clinic", "ends everything")
        await stack.stop_all()


async def _unless(end: asyncio.Event, work: Coroutine[None, None, None]) -> bool:
    """Whether the work was done before the end came; otherwise it is cancelled."""
    task, ended = asyncio.create_task(work), asyncio.create_task(end.wait())
    await asyncio.wait({task, ended}, return_when=asyncio.FIRST_COMPLETED)
    ended.cancel()
    if task.done():
        task.result()
        return True
    task.cancel()
    await asyncio.wait({task})
    return False


def _ready(systems: Mapping[str, System], stack: Stack) -> Iterator[str]:
    if systems:
        yield "ready: " + ", ".join(f"{name} at {system.url}" for name, system in systems.items())
        return
    yield f"export KAFKA_BOOTSTRAP_SERVERS={stack.infrastructure.kafka_bootstrap_servers}"
    yield f"export DATABASE_URL={stack.infrastructure.server_url}"
    yield "ready"
