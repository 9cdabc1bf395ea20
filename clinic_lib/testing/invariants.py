"""What holds for every system at rest, whatever happened to it before.

Each is a function for `RunningSystem.check`, which raises `InvariantError` with some of the evidence.
"""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from uuid import UUID

from clinic_lib.saga import is_notice
from clinic_lib.testing.errors import InvariantError
from clinic_lib.testing.log import LogRecord
from clinic_lib.testing.system import RunningSystem

__all__ = ["every_saga_ended", "first_occurrences", "in_order", "nothing_lost", "nothing_twice"]

SHOWN = 5

NOT_ENDED = """
select saga, key, case when stuck <> '{}' then 'stuck' else state end from clinic_lib.saga
where ended_at is null or stuck <> '{}' order by id
"""


async def nothing_lost(system: RunningSystem) -> None:
    """Every event that was committed is in the log, and every service has handled all that it receives."""
    log = first_occurrences(await system.log())
    for service in system.replicas:
        committed = await system.published(service)
        _none(
            [
                f"{each.type} {each.message_id} of {each.key}"
                for each in committed
                if each.message_id not in log
            ],
            f"{service} committed events that are not in the log",
        )
    for contract in system.contracts:
        inbox = await system.rows(contract.service, "select message_id from clinic_lib.inbox")
        handled = {str(row[0]) for row in inbox}
        _none(
            [
                str(record)
                for message_id, record in log.items()
                if record.type in contract.receives
                and record.topic in contract.topics
                and str(message_id) not in handled
            ],
            f"{contract.service} has not handled",
        )


async def nothing_twice(system: RunningSystem) -> None:
    """What a service published because of one message comes from one transaction, and no id means two things."""
    records = await system.log()
    log = first_occurrences(records)
    _none(
        [str(each) for each in records if each.message_id in log and _differs(each, log[each.message_id])],
        "one id, and another content than before",
    )
    for service in system.replicas:
        transactions: dict[UUID, set[str]] = defaultdict(set)
        ids: dict[UUID, int] = defaultdict(int)
        for each in await system.published(service):
            ids[each.message_id] += 1
            record = log.get(each.message_id)
            # what a service says of a message that it could not handle is not of the one that handles it at last
            if record is not None and record.causation_id is not None and not is_notice(record.type or ""):
                transactions[record.causation_id].add(each.transaction)
        _none(
            [str(log.get(cause, cause)) for cause, several in transactions.items() if len(several) > 1],
            f"{service} has handled more than once",
        )
        _none([str(log[each]) for each, count in ids.items() if count > 1], f"{service} committed twice")


async def in_order(system: RunningSystem) -> None:
    """First occurrences: an event stands after the one that caused it, and in its service's order for its key."""
    log = first_occurrences(await system.log())
    _none(
        [
            f"{record}, its cause {log[record.causation_id]}"
            for record in log.values()
            if record.causation_id in log and not _stands_before(log[record.causation_id], record)
        ],
        "events stand before what caused them",
    )
    for service in system.replicas:
        last: dict[tuple[str, str], LogRecord] = {}
        behind = []
        for each in await system.published(service):
            record = log.get(each.message_id)
            if record is not None:
                earlier = last.setdefault((each.topic, each.key), record)
                if not _stands_before(earlier, record) and earlier is not record:
                    behind.append(f"{record}, committed after {earlier}")
                last[each.topic, each.key] = record
        _none(behind, f"events of {service} stand in another order than they were committed in")


async def every_saga_ended(system: RunningSystem) -> None:
    """Whatever began has ended, completed or compensated, and nobody is stuck."""
    for service in system.replicas:
        open_ = await system.rows(service, NOT_ENDED)
        _none(
            [f"{saga} {key} is {state}" for saga, key, state in open_], f"sagas of {service} have not ended"
        )


def first_occurrences(records: Iterable[LogRecord]) -> dict[UUID, LogRecord]:
    """Records by id: a record may stand in the log several times, and the first one counts."""
    found: dict[UUID, LogRecord] = {}
    for record in records:
        if record.message_id is not None:
            found.setdefault(record.message_id, record)
    return found


def _stands_before(earlier: LogRecord, later: LogRecord) -> bool:
    """Only one partition has an order."""
    if (earlier.topic, earlier.partition) != (later.topic, later.partition):
        return True
    return earlier.offset < later.offset


def _differs(one: LogRecord, other: LogRecord) -> bool:
    return (one.key, one.type, one.raw.value) != (other.key, other.type, other.raw.value)


def _none(evidence: Sequence[str], what: str) -> None:
    if evidence:
        more = f"\n  and {len(evidence) - SHOWN} more" if len(evidence) > SHOWN else ""
        raise InvariantError(f"{what}:" + "".join(f"\n  {each}" for each in evidence[:SHOWN]) + more)
