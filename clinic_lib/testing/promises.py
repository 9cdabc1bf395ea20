"""Promises that hold for every system at rest, whatever happened to it: for `Scenario.check` and `explore`."""

from collections import defaultdict
from uuid import UUID

from clinic_lib.saga import is_notice
from clinic_lib.testing.outcome import Outcome
from clinic_lib.testing.simulation.process import Process

__all__ = ["EVERY_PROMISE", "every_saga_ends", "no_dead_letters", "nothing_lost", "nothing_twice"]


def nothing_lost(outcome: Outcome) -> None:
    """Every event that was committed is in the log, and every service has handled all that it receives."""
    published = {record.message_id: record for record in outcome.log.records}
    for process in outcome.processes:
        for event in process.committed.values():
            assert event.message_id in published, (
                f"{event.type} {event.subject} of {process.name} is not in the log"
            )
        inbox = {row["message_id"] for row in process.store.library("inbox")}
        for record in published.values():
            if record.topic in process.wiring.topics and record.type in process.wiring.types:
                assert record.message_id in inbox, (
                    f"{process.name} has not handled {record.type} {record.subject}"
                )


def nothing_twice(outcome: Outcome) -> None:
    """What a service published because of one message comes from one transaction."""
    types = {record.message_id: f"{record.type} {record.subject}" for record in outcome.log.records}
    for process in outcome.processes:
        transactions: dict[UUID, set[int]] = defaultdict(set)
        for event in process.committed.values():
            if event.cause is not None and not _is_the_library_s(event.type, process):
                transactions[event.cause].add(event.transaction)
        for cause, several in transactions.items():
            assert len(several) == 1, f"{process.name} has handled {types.get(cause, 'a command')} twice"


def every_saga_ends(outcome: Outcome) -> None:
    """Whatever began has ended, completed or compensated, and nobody is stuck."""
    for each in outcome.sagas:
        assert each.state in ("completed", "compensated"), f"{each.saga} {each.key} is {each.state}"


def no_dead_letters(outcome: Outcome) -> None:
    """Every message could be handled."""
    for each in outcome.dead_letters:
        raise AssertionError(f"{each.service} could not handle {each.type} of {each.key}: {each.error}")


def _is_the_library_s(type_: str, process: Process) -> bool:
    """What a service says of itself, or the timer: not of the one that handles the message."""
    deadlines = {each.deadline_reached.declaration.type for each in process.wiring.sagas.all}
    return is_notice(type_) or type_ in deadlines


EVERY_PROMISE = (no_dead_letters, nothing_lost, nothing_twice, every_saga_ends)
