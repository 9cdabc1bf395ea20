"""Schedules: what happens next, of all that can, and which faults may.

A schedule is a row of numbers. Zero is always the calm choice: everything in its turn, nothing dies. So the more of
them are zero, the shorter is the story that they tell.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from random import Random
from typing import Protocol

from clinic_lib.crash_points import CrashPoint

__all__ = ["CRASH_POINTS", "Calm", "Drawn", "SOME_OF_EACH", "Faults", "Schedule", "Seeded"]

CRASH_POINTS: tuple[CrashPoint, ...] = (
    *("before-commit", "after-commit", "after-publish", "before-offset-commit"),
    *("compensation", "deadline", "redrive", "sweeper"),
)


@dataclass(frozen=True, slots=True)
class Faults:
    """What may go wrong in a run, and how often at most; where and when is the schedule's choice.

    `duplicate`: how many records are published again. `reorder`: records of different keys come in any order.
    `crash_at`: the points at which a process dies, each once. `drop`: how many times a service is down for a
    while. `delay`: how many times all stands still until a deadline has come.
    """

    duplicate: int = 0
    reorder: bool = False
    crash_at: Sequence[CrashPoint] = ()
    drop: int = 0
    delay: int = 0

    def __post_init__(self) -> None:
        if wrong := [each for each in self.crash_at if each not in CRASH_POINTS]:
            raise ValueError(f"{wrong[0]!r} is no crash point: there are {', '.join(CRASH_POINTS)}")
        if min(self.duplicate, self.drop, self.delay) < 0:
            raise ValueError("a fault happens 0 times or more: duplicate, drop and delay can't be negative")


SOME_OF_EACH = Faults(duplicate=2, reorder=True, crash_at=CRASH_POINTS, drop=1, delay=1)


class Schedule(Protocol):
    """Chooses one of so many possibilities, by its place."""

    def choose(self, options: int) -> int: ...


class Calm:
    """Everything in its turn."""

    def choose(self, options: int) -> int:
        return 0


class Seeded:
    """At random; one seed, one run."""

    def __init__(self, seed: int) -> None:
        self._random = Random(seed)

    def choose(self, options: int) -> int:
        return self._random.randrange(options)


class Drawn:
    """By the bytes of a draw; calm behind their end."""

    def __init__(self, choices: bytes) -> None:
        self._choices = iter(choices)

    def choose(self, options: int) -> int:
        return next(self._choices, 0) % options
