"""The points at which a test kills the process."""

import os
import signal
from collections import Counter as CounterOfNames
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


def crash_point(name: CrashPoint) -> None:
    """Die here as by `kill -9` when the environment's CLINIC_CRASH_POINT says so: `after-commit` the first time
    this is passed, `after-commit:7` the seventh.

    The chaos tests prove with it that nothing is lost between a commit and what follows it.
    """
    wanted, _, nth = os.environ.get(CRASH_VARIABLE, "").partition(":")
    if wanted != name:
        return
    passed[name] += 1
    if passed[name] >= int(nth or 1):
        os.kill(os.getpid(), signal.SIGKILL)
