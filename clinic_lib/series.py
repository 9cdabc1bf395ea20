"""The series that are there before anything happens, at zero.

A counter that first appears with its first event shows no rise: the first dead letter would raise no alert.
"""

from collections.abc import Iterable, Sequence
from typing import get_args

from clinic_lib import metrics
from clinic_lib.dead_letter import LetterState
from clinic_lib.handlers import Handler
from clinic_lib.tally import Outcome

__all__ = ["begin"]

PLAIN = (
    metrics.command_rejected,
    metrics.executor_retries,
    metrics.relay_sent,
    metrics.relay_swept,
    metrics.relay_failures,
    metrics.redriven,
    metrics.relay_seconds,
    metrics.database_wait,
)

OUTCOMES: dict[str, tuple[Outcome, ...]] = {
    "command": ("done", "failure", "refused", "error"),
    "projection": ("done", "retrying", "dead_letter", "parked"),
}
OTHERS: tuple[Outcome, ...] = ("done", "failure", "retrying", "dead_letter", "parked")


def begin(service: str, handlers: Iterable[Handler], sagas: Sequence[str]) -> None:
    """Make the series of everything that this service can count by names it knows."""
    metrics.say_version(service)
    for each in PLAIN:
        each.labels(service)
    for outcome in ("handled", "duplicate", "skipped"):
        metrics.consumer_records.labels(service, outcome)
    for state in get_args(LetterState):
        metrics.dead_letters.labels(service, state)
    for handler in handlers:
        for outcome in OUTCOMES.get(handler.kind, OTHERS):
            metrics.handled.labels(service, handler.name, handler.kind, outcome)
    for saga in sagas:
        for counter in (metrics.sagas_started, metrics.sagas_overdue, metrics.sagas_stuck):
            counter.labels(service, saga)
        for ended in ("completed", "compensated"):
            metrics.sagas_ended.labels(service, saga, ended)
            metrics.saga_seconds.labels(service, saga, ended)
