"""The points at which a test kills the process."""

import os
import signal
from collections import Counter as CounterOfNames
from collections.abc import Callable
from typing import Literal

__all__ = ["CrashPoint", "crash_point"]

CrashPoint = Literal[
    "before-commit",
    "after-commit",
    "after-publish",
    "before-offset-commit",
    "sweeper",
    "compensation",
    "deadline",
    "redrive",
]
CRASH_VARIABLE = "CLINIC_CRASH_POINT"

passed: CounterOfNames[str] = CounterOfNames()
on_crash_point: Callable[[CrashPoint], None] | None = None


def crash_point(name: CrashPoint) -> None:
    """Die here as by `kill -9` when the environment's CLINIC_CRASH_POINT says so: `after-commit` the first time
    this is passed, `after-commit:7` the seventh.

    The chaos tests prove with it that nothing is lost between a commit and what follows it; a simulation does
    without signals, and is told by `on_crash_point`.
    """
    if on_crash_point is not None:
        on_crash_point(name)
    wanted, _, nth = os.environ.get(CRASH_VARIABLE, "").partition(":")
    if wanted != name:
        return
    passed[name] += 1
    if passed[name] >= int(nth or 1):
        os.kill(os.getpid(), signal.SIGKILL)
