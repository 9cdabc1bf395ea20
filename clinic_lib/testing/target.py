"""A process that faults are done to: a replica of a service, Kafka or PostgreSQL."""

import asyncio
import os
import signal
from contextlib import suppress
from time import monotonic

from clinic_lib.local.child import Child, State
from clinic_lib.local.errors import StackError

__all__ = ["Target"]

LOOKS_EVERY_S = 0.02
KILLED = "signal SIGKILL"
CRASH_VARIABLE = "CLINIC_CRASH_POINT"


class Target:
    """A child under the name that plans use: `seat-2`, `kafka`.

    `turn` makes faults of one process follow each other. `environment` is what its next start is given more.
    """

    def __init__(self, name: str, child: Child, environment: dict[str, str]) -> None:
        self.name = name
        self.child = child
        self.turn = asyncio.Lock()
        self.paused = False
        self._environment = environment

    @property
    def problem(self) -> str | None:
        """Why it does not run, None when it does: it may have died by itself."""
        if self.child.state is State.RUNNING:
            return "is paused" if self.paused else None
        return f"is {self.child.state} {self.child.detail}".strip() + f":\n{self.child.tail()}"

    async def start(self) -> None:
        """Returns when it serves. Raises `StackError`."""
        await self.child.start()

    async def kill(self) -> None:
        """As by `kill -9`."""
        self._send(signal.SIGKILL)
        self.paused = False
        while self.child.state not in (State.DEAD, State.STOPPED):
            await asyncio.sleep(LOOKS_EVERY_S)

    def pause(self) -> None:
        """As when the machine stops it."""
        self.paused = True
        self._send(signal.SIGSTOP)

    def resume(self) -> None:
        self._send(signal.SIGCONT)
        self.paused = False

    async def dies_at(self, point: str, within_s: float) -> bool:
        """Starts it so that it dies at a crash point; whether it did in time. It does not run afterwards.

        Raises `StackError` when it can't be started.
        """
        self._environment[CRASH_VARIABLE] = point
        starting = asyncio.create_task(self.child.start())
        try:
            while self.child.pid is None and not starting.done():
                await asyncio.sleep(LOOKS_EVERY_S)
            if starting.done():
                starting.result()
            deadline = monotonic() + within_s
            while self.child.state is not State.DEAD:
                if monotonic() > deadline:
                    await self.kill()
                    return False
                await asyncio.sleep(LOOKS_EVERY_S)
            return self.child.detail == KILLED
        finally:
            del self._environment[CRASH_VARIABLE]
            starting.cancel()
            with suppress(StackError, asyncio.CancelledError):
                await starting

    def _send(self, number: signal.Signals) -> None:
        if self.child.pid is not None:
            with suppress(ProcessLookupError):  # it died by itself a moment ago
                os.kill(self.child.pid, number)
