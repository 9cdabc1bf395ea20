"""Trouble: faults, as far as the schedule has them happen."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from datetime import timedelta

from clinic_lib import crash_points
from clinic_lib.crash_points import CrashPoint
from clinic_lib.outbox import OutboxRow
from clinic_lib.testing.simulation.clock import Clock
from clinic_lib.testing.simulation.log import Log
from clinic_lib.testing.simulation.process import Process
from clinic_lib.testing.simulation.schedule import Calm, Faults, Schedule
from clinic_lib.testing.simulation.story import Line

__all__ = ["Died", "Trouble"]

SELDOM = 5
"""Where a fault may happen, it does once in so many times."""
LONGEST_OUTAGE_STEPS = 12


class Died(BaseException):
    """The process is gone, as by `kill -9`."""

    def __init__(self, point: CrashPoint) -> None:
        super().__init__(point)
        self.point = point


class Trouble:
    """What may still go wrong; what does is told by `tell`."""

    def __init__(self, log: Log, clock: Clock, tell: Callable[[Line], None]) -> None:
        self._log = log
        self._clock = clock
        self._tell = tell
        self._left = dict.fromkeys(("duplicate", "drop", "delay"), 0)
        self._crash_at: list[CrashPoint] = []
        self._down: dict[Process, int] = {}

    def allow(self, faults: Faults) -> None:
        self._log.by_key = faults.reorder
        self._crash_at = list(faults.crash_at)
        self._left = {name: getattr(faults, name) for name in self._left}

    def is_down(self, process: Process) -> bool:
        return process in self._down

    def strike(self, schedule: Schedule, processes: Sequence[Process], dues: Sequence[timedelta]) -> None:
        """Perhaps a record comes again, a service goes down, or all stands still until a deadline."""
        if isinstance(schedule, Calm):
            return
        if self._log.records and self._happens("duplicate", schedule):
            record = self._log.records[schedule.choose(len(self._log.records))]
            row = OutboxRow(0, record.message_id, record.topic, record.subject, record.type, record.value)
            self._log.append(row)
            self._tell(Line("log", f"{record.type} {record.subject} is published again", 2))
        if self._happens("drop", schedule):
            process = processes[schedule.choose(len(processes))]
            self._down[process] = 1 + schedule.choose(LONGEST_OUTAGE_STEPS)
            self._tell(Line(process.name, "is down", 2))
        if dues and self._happens("delay", schedule):
            self._clock.pass_by(dues[0])
            self._tell(Line("clock", f"{dues[0].total_seconds() / 60:.0f} minutes pass", 2))

    def pass_over(self, *, at_once: bool = False) -> bool:
        """Services that were down come back when it is time; whether one did."""
        self._down = {each: steps - 1 for each, steps in self._down.items()}
        back = [each for each, steps in self._down.items() if steps <= 0 or at_once]
        for each in back:
            del self._down[each]
            each.start()
            self._tell(Line(each.name, "is back", 2))
        return bool(back)

    @contextmanager
    def deadly(self, schedule: Schedule, points: Sequence[CrashPoint]) -> Iterator[None]:
        """Perhaps the process dies at one of `points`; raises `Died` then."""
        mortal = [each for each in points if each in self._crash_at]
        armed: CrashPoint | None = None
        if mortal and _seldom(schedule):
            armed = mortal[schedule.choose(len(mortal))]

        def reach(point: CrashPoint) -> None:
            if point == armed:
                self._crash_at.remove(point)
                raise Died(point)

        crash_points.on_crash_point = reach
        try:
            yield
        finally:
            crash_points.on_crash_point = None

    def _happens(self, fault: str, schedule: Schedule) -> bool:
        if not self._left[fault] or not _seldom(schedule):
            return False
        self._left[fault] -= 1
        return True


def _seldom(schedule: Schedule) -> bool:
    return schedule.choose(SELDOM) == SELDOM - 1
