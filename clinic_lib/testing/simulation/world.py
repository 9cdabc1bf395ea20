"""The world: all processes of a system and their log, what can happen next, and what comes of it.

One thing happens after another, so whatever threads, processes and networks do is told as one order of
transactions. Which one it is, is the schedule's choice and nobody else's.
"""

import logging
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import partial

from clinic_lib.crash_points import CrashPoint
from clinic_lib.delivery import Answer
from clinic_lib.idempotency import IdempotencyKey
from clinic_lib.messages import Command
from clinic_lib.testing.errors import NotSettledError
from clinic_lib.testing.simulation.clock import Clock
from clinic_lib.testing.simulation.log import Log, Record
from clinic_lib.testing.simulation.process import Process
from clinic_lib.testing.simulation.schedule import Schedule
from clinic_lib.testing.simulation.story import Line
from clinic_lib.testing.simulation.trouble import Died, Trouble
from clinic_lib.testing.simulation.witness import Witness

__all__ = ["Asked", "World"]

STEP = timedelta(milliseconds=1)
MOST_STEPS = 5_000
COMMAND_POINTS: tuple[CrashPoint, ...] = ("before-commit", "after-commit")
POLL_POINTS: tuple[CrashPoint, ...] = (*COMMAND_POINTS, "before-offset-commit", "compensation")
CLOCK_POINTS: tuple[CrashPoint, ...] = ("deadline", "redrive", "sweeper", "after-commit", "compensation")


@dataclass(slots=True, eq=False)
class Asked:
    """A command that somebody sends, and sends again under its key while nobody answers."""

    command: Command
    key: IdempotencyKey
    answer: Answer | Exception | None = None


class World:
    """A system that lives as `schedule` says."""

    def __init__(self, processes: Sequence[Process], log: Log, clock: Clock, schedule: Schedule) -> None:
        self.processes = processes
        self.log = log
        self.clock = clock
        self.schedule = schedule
        self.lines: list[Line] = []
        self.trouble = Trouble(log, clock, self.lines.append)
        self.errands: list[Callable[[], bool]] = []
        """What people do, one after another, when the schedule comes to it; each says whether it is done."""

    def rest(self, until: datetime | None = None) -> None:
        """Go on until nothing more can happen, and the clock is at `until`. What happens by itself later is waited
        for when it makes good what went wrong: a retry, or the sweeper.

        Raises `NotSettledError` when there is no end of it.
        """
        with _silence():
            for _ in range(MOST_STEPS):
                if not self._step(until):
                    break
            else:
                raise NotSettledError(f"after {MOST_STEPS:,} steps it still goes on, last: {self.lines[-1]}")
            for each in self.processes:
                each.tidy()
        if until is not None:
            self.clock.go_to(until)

    def ask(self, asked: Asked, process: Process) -> None:
        """Have a command carried out, at once; nobody answers when the process is down, or dies of it."""

        if self.trouble.is_down(process):
            return

        def carry_out() -> None:
            asked.answer = process.carry_out(asked.command, asked.key)

        self._do(process, carry_out, COMMAND_POINTS, f"{type(asked.command).__name__}{_told(asked.command)}")
        if isinstance(asked.answer, Exception):
            self.lines.append(Line(process.name, f"refuses: {asked.answer}"))

    def _step(self, until: datetime | None) -> bool:
        self.clock.pass_by(STEP)
        came_back = self.trouble.pass_over()
        deadlines = [each.next_deadline() for each in self.processes]
        waits = sorted(each - self.clock.time for each in deadlines if each and each > self.clock.time)
        self.trouble.strike(self.schedule, self.processes, waits)
        possible = list(self._possible())
        if possible:
            possible[self.schedule.choose(len(possible))]()
            return True
        if came_back or self.trouble.pass_over(at_once=True):
            return True
        times = [time for each in self.processes for time, _, _ in each.repairs()]
        times += [each for each in deadlines if each and until and each <= until]
        if times:
            self.clock.go_to(min(times))
        return bool(times)

    def _possible(self) -> Iterator[Callable[[], None]]:
        """Calm is: what was committed is published and handled, then what time brings, then what people do."""
        up = [each for each in self.processes if not self.trouble.is_down(each)]
        for each in up:
            if each.outlet.queue:
                yield partial(self._publish, each)
            if backlog := each.backlog():
                yield partial(self._poll, each, backlog)
        for each in up:
            if (deadline := each.next_deadline()) and deadline <= self.clock.time:
                yield partial(self._do, each, each.reach_deadlines, CLOCK_POINTS, "a deadline is reached")
            for time, repair, what in each.repairs():
                if time <= self.clock.time:
                    yield partial(self._do, each, repair, CLOCK_POINTS, what)
        if self.errands:
            yield self._run_an_errand

    def _run_an_errand(self) -> None:
        if self.errands[0]():
            del self.errands[0]

    def _poll(self, process: Process, backlog: Sequence[Sequence[Record]]) -> None:
        size = self.schedule.choose(3)
        if size == 0:
            records = [record for part in backlog for record in part]
        else:
            records = list(backlog[self.schedule.choose(len(backlog))][:size])
        self._do(process, partial(process.poll, records), POLL_POINTS, "", records)

    def _publish(self, process: Process) -> None:
        waiting = len(process.outlet.queue)
        act = partial(process.publish, waiting - self.schedule.choose(waiting))
        self._do(process, act, ("after-publish",), "")

    def _do(
        self,
        process: Process,
        act: Callable[[], None],
        points: Sequence[CrashPoint],
        what: str,
        records: Sequence[Record] = (),
    ) -> None:
        witness = Witness(process, what, records)
        try:
            with self.trouble.deadly(self.schedule, points):
                act()
        except Died as died:
            self.lines += witness.lines(died.point)
            process.start()
        else:
            self.lines += witness.lines()


def _told(command: Command) -> str:
    fields = ", ".join(f"{name}={value!r}" for name, value in dict(command).items())
    return f"({fields})" if len(fields) <= 60 else f"({fields[:59]}…)"


@contextmanager
def _silence() -> Iterator[None]:
    """What fails in a run is told by its story; the log would repeat it for each of a thousand runs."""
    library = logging.getLogger("clinic_lib")
    level = library.level
    library.setLevel(logging.CRITICAL + 1)
    try:
        yield
    finally:
        library.setLevel(level)
