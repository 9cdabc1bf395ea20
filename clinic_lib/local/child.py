"""One running program: its state, its start, its end."""

import asyncio
import contextlib
import os
import signal
import time
from asyncio.subprocess import DEVNULL, STDOUT, Process
from enum import StrEnum
from pathlib import Path

import psutil

from clinic_lib.local.errors import StackError
from clinic_lib.local.ports import require_free
from clinic_lib.local.program import Launch, Program, Say
from clinic_lib.local.spawn import die_with_parent

__all__ = ["Child", "State"]

SERVES_WITHIN_S = 120  # a busy machine is slow
STOPS_WITHIN_S = 5.0
ASKED_EVERY_S = 0.1
TAIL_LINES = 15


class State(StrEnum):
    """Of a child, as people and scripts see it."""

    STARTING = "starting"
    RUNNING = "running"
    DRAINING = "draining"
    STOPPED = "stopped"
    DEAD = "dead"


class Child:
    """A program as a child process. It stays down after its end until `start` is called again."""

    def __init__(self, program: Program, log: Path, say: Say) -> None:
        self.program = program
        self.log = log
        self.state = State.STOPPED
        self.on_death = self._advise
        """Called when it has ended by itself after it served."""
        self._say = say
        self._starting = asyncio.Lock()
        self._stop_signal = signal.SIGTERM
        self._process: Process | None = None
        self._ended: asyncio.Task[None] | None = None
        self._log_start = 0

    @property
    def pid(self) -> int | None:
        return self._process.pid if self._process and self._process.returncode is None else None

    @property
    def detail(self) -> str:
        """How a dead one ended, otherwise nothing."""
        return self._end() if self.state is State.DEAD else ""

    def require_ports(self) -> None:
        """Raises `StackError` when a port that it needs is in use."""
        if self.pid is None:
            for port in self.program.ports:
                require_free(port, self.program.name)

    async def start(self) -> None:
        """Starts it unless it runs, and returns when it serves.

        Raises `StackError` that says why it does not.
        """
        async with self._starting:
            if self.state is State.RUNNING:
                return
            began = time.monotonic()
            if self.pid is None:
                await self._launch()
            await self._serve()
            self._say(f"serves after {time.monotonic() - began:.1f} s")

    async def stop(self, within_s: float = STOPS_WITHIN_S) -> None:
        """Asks it to end and, when it does not within `within_s` seconds, kills it."""
        if self._process is None or self._ended is None or self.pid is None:
            self.state = State.STOPPED
            return
        self.state = State.DRAINING
        self._process.send_signal(self._stop_signal)
        ended, _ = await asyncio.wait({self._ended}, timeout=within_s)
        if not ended:
            _kill_with_descendants(self._process.pid)
            await self._ended

    async def _launch(self) -> None:
        self.require_ports()
        self.state = State.STARTING
        try:
            launch = await self.program.prepare(self._say)
            if self.state is not State.STARTING:
                raise StackError(f"{self.program.name} was stopped while it started.")
            await self._spawn(launch)
        except BaseException:
            if self.state is State.STARTING:
                self.state = State.DEAD
            raise

    async def _spawn(self, launch: Launch) -> None:
        self.log.parent.mkdir(parents=True, exist_ok=True)
        with self.log.open("ab") as log:
            self._log_start = log.tell()
            self._process = await asyncio.create_subprocess_exec(
                *launch.command,
                cwd=launch.folder,
                env={**os.environ, **launch.environment},
                user=launch.user,
                stdin=DEVNULL,
                stdout=log,
                stderr=STDOUT,
                start_new_session=True,  # Ctrl-C is for the stack, which ends its children in order
                preexec_fn=die_with_parent,
            )
        self._stop_signal = launch.stop_signal
        self._ended = asyncio.create_task(self._watch(self._process))

    async def _watch(self, process: Process) -> None:
        await process.wait()
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(process.pid, signal.SIGKILL)  # what it started and left behind
        if self.state is State.DRAINING:
            self.state = State.STOPPED
            return
        served, self.state = self.state is State.RUNNING, State.DEAD
        if served:
            self.on_death()

    def _advise(self) -> None:
        self._say(f"died ({self._end()}): `clinic start {self.program.name}` starts it again")

    async def _serve(self) -> None:
        assert self._ended
        deadline = time.monotonic() + SERVES_WITHIN_S
        while reason := await self.program.why_not_serving():
            if self._ended.done():
                raise StackError(
                    f"{self.program.name} ended before it served ({self._end()}):\n{self.tail()}"
                )
            if time.monotonic() > deadline:
                raise StackError(
                    f"{self.program.name} does not serve after {SERVES_WITHIN_S} s: {reason}\n{self.tail()}"
                )
            await asyncio.wait({self._ended}, timeout=ASKED_EVERY_S)
        if self.state is State.STARTING:
            self.state = State.RUNNING

    def _end(self) -> str:
        code = self._process.returncode if self._process else None
        if code is None:
            return ""
        return f"signal {signal.Signals(-code).name}" if code < 0 else f"exit code {code}"

    def tail(self) -> str:
        """The last lines it logged since its start."""
        with self.log.open("rb") as log:
            log.seek(self._log_start)
            return "\n".join(log.read().decode(errors="replace").splitlines()[-TAIL_LINES:])


def _kill_with_descendants(pid: int) -> None:
    with contextlib.suppress(psutil.NoSuchProcess):
        root = psutil.Process(pid)
        for process in (*root.children(recursive=True), root):
            with contextlib.suppress(psutil.NoSuchProcess):
                process.kill()
