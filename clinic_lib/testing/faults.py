"""What can be done to a system: each fault is one line of a plan, and can be read from that line again."""

import asyncio
import re
from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import ClassVar, Self

from pydantic import TypeAdapter

from clinic_lib.testing.ground import Ground

__all__ = ["Crash", "Fault", "Kill", "Pause", "Restart"]

REACHES_CRASH_POINT_WITHIN_S = 20.0


@dataclass(frozen=True, kw_only=True)
class Fault(ABC):
    """Something that happens `at` so many seconds after the load began; `words` say what, with its fields."""

    words: ClassVar[str]
    at: float = 0.0

    def __str__(self) -> str:
        return f"{self.at} s: {self.what}"

    @property
    def what(self) -> str:
        """The fault without its time."""
        return self.words.format_map(vars(self))

    @abstractmethod
    async def happen(self, ground: Ground) -> None:
        """Does it, mends it, and tells the history both."""

    @classmethod
    def read(cls, line: str) -> Self | None:
        """The fault that prints itself as `line`; None when it is one of another kind."""
        pattern = re.sub(r"\\{(\w+)\\}", r"(?P<\1>\\S+)", re.escape("{at} s: " + cls.words))
        if not (match := re.fullmatch(pattern, line.strip())):
            return None
        return TypeAdapter(cls).validate_python(match.groupdict())


@dataclass(frozen=True, kw_only=True)
class Kill(Fault):
    """A replica dies by `kill -9`, whatever it does, and is started again after `seconds`."""

    words = "kill {target}, start it after {seconds} s"
    target: str
    seconds: float = 0.0

    async def happen(self, ground: Ground) -> None:
        target = ground.targets[self.target]
        async with target.turn:
            ground.history.note(f"kill {self.target}")
            ground.history.deaths += 1
            await target.kill()
            await asyncio.sleep(self.seconds)
            await target.start()
            ground.history.note(f"  {self.target} serves again")


@dataclass(frozen=True, kw_only=True)
class Crash(Fault):
    """A replica dies by `kill -9`, and again at a crash point when it comes by; then it stays down for `seconds`."""

    words = "crash {target} at {point}, start it after {seconds} s"
    target: str
    point: str
    seconds: float = 0.0

    async def happen(self, ground: Ground) -> None:
        target, history = ground.targets[self.target], ground.history
        async with target.turn:
            history.note(f"kill {self.target}, to be started for its death at {self.point}")
            history.deaths += 1
            await target.kill()
            died = await target.dies_at(self.point, REACHES_CRASH_POINT_WITHIN_S)
            history.deaths += 1
            if died:
                history.note(f"  {self.target} died at {self.point}")
                history.crashes[self.point] += 1
            else:
                history.note(f"  kill {self.target}: it did not come by {self.point}")
            await asyncio.sleep(self.seconds)
            await target.start()
            history.note(f"  {self.target} serves again")


@dataclass(frozen=True, kw_only=True)
class Pause(Fault):
    """A replica stands still (SIGSTOP) for `seconds`, and goes on as if nothing had been."""

    words = "pause {target} for {seconds} s"
    target: str
    seconds: float

    async def happen(self, ground: Ground) -> None:
        target = ground.targets[self.target]
        async with target.turn:
            ground.history.note(self.what)
            target.pause()
            await asyncio.sleep(self.seconds)
            target.resume()
            ground.history.note(f"  {self.target} goes on")


@dataclass(frozen=True, kw_only=True)
class Restart(Fault):
    """`kafka` or `postgresql` dies by `kill -9` and is started again after `seconds`."""

    words = "restart {server}, down for {seconds} s"
    server: str
    seconds: float = 1.0

    async def happen(self, ground: Ground) -> None:
        server = ground.targets[self.server]
        async with server.turn:
            ground.history.note(f"kill {self.server}")
            await server.kill()
            await asyncio.sleep(self.seconds)
            await server.start()
            ground.history.note(f"  {self.server} serves again")
