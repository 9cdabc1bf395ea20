"""Whether a system has come to rest: nothing is on its way any more.

Timers are asked before the outboxes that they fill.

The log's ends are read first, then how far each service has handled it, then the outboxes, then the ends again.
A checkpoint moves in the transaction that fills the outbox, and an outbox row goes only after its record is in
the log; so when all have handled up to ends that are still the ends, nothing can follow by itself.
"""

import asyncio
from collections.abc import Collection, Iterator, Sequence
from time import monotonic
from typing import NamedTuple

from aiokafka.errors import KafkaError

from clinic_lib.testing.errors import NotSettledError
from clinic_lib.testing.ground import Ground
from clinic_lib.testing.log import ends_of, group_offsets

__all__ = ["Contract", "settle"]

LOOKS_EVERY_S = 0.3
SHOWN = 5

CHECKPOINTS = "select split_part(log, '/', 2), partition, next_offset from clinic_lib.checkpoint"
OUTBOX = "select type, aggregateid from clinic_lib.outbox order by id"
LETTERS = "select state, type, key, error from clinic_lib.dead_letter order by id"
DUE_SOON = (
    "select saga, key from clinic_lib.saga where deadline_at < now() + make_interval(secs => $1) order by id"
)

Place = tuple[str, int]


class Contract(NamedTuple):
    """What a service says of itself: its consumer group, and what it receives from which topics."""

    service: str
    group: str
    receives: frozenset[str]
    topics: frozenset[str]


class _Open(NamedTuple):
    """Something that is still open; `for_good` when waiting won't change it."""

    what: str
    for_good: bool = False


async def settle(
    ground: Ground, contracts: Sequence[Contract], *, letters: Collection[str], within_s: float
) -> None:
    """Returns when the system is at rest, with no dead letters but of the types `letters`.

    Raises `NotSettledError` that says what is still open.
    """
    deadline = monotonic() + within_s
    while True:
        still = list(_not_running(ground))
        try:
            still = still or await _due(ground, max(deadline - monotonic(), 0))
            still = still or await _look(ground, contracts, letters)
        except (KafkaError, OSError) as exc:
            still = [_Open(f"a server does not answer: {exc!r}")]
        if not still:
            return
        if monotonic() > deadline or all(each.for_good for each in still):
            what = "\n".join(f"  {each.what}" for each in still)
            raise NotSettledError(f"the system did not come to rest within {within_s} s:\n{what}")
        await asyncio.sleep(LOOKS_EVERY_S)


def _not_running(ground: Ground) -> Iterator[_Open]:
    for name, target in ground.targets.items():
        if problem := target.problem:
            yield _Open(f"{name} {problem}", for_good=True)


async def _look(ground: Ground, contracts: Sequence[Contract], letters: Collection[str]) -> list[_Open]:
    topics = {topic for contract in contracts for topic in contract.topics}
    ends = await ends_of(ground.kafka, topics)
    still = [each for contract in contracts for each in await _behind(ground, contract, ends)]
    for service in ground.databases:
        if rows := await ground.rows(service, OUTBOX):
            still.append(_Open(f"{service} has {len(rows)} rows in its outbox: {_some(rows)}"))
        still += _letters(service, await ground.rows(service, LETTERS), letters)
    if not still and await ends_of(ground.kafka, topics) != ends:
        return [_Open("the log still grows")]
    return still


async def _due(ground: Ground, within_s: float) -> list[_Open]:
    """Timers that go off while we wait."""
    return [
        _Open(f"{len(rows)} sagas of {service} near their deadline: {_some(rows)}")
        for service in ground.databases
        if (rows := await ground.rows(service, DUE_SOON, within_s))
    ]


async def _behind(ground: Ground, contract: Contract, ends: dict[Place, int]) -> list[_Open]:
    """A checkpoint passes by what nobody handles, a group's offset may be old: the further one tells."""
    handled: dict[Place, int] = await group_offsets(ground.kafka, contract.group)
    for topic, partition, offset in await ground.rows(contract.service, CHECKPOINTS):
        handled[topic, partition] = max(handled.get((topic, partition), 0), offset)
    behind = {
        f"{topic}/{partition}": end - handled.get((topic, partition), 0)
        for (topic, partition), end in ends.items()
        if topic in contract.topics and handled.get((topic, partition), 0) < end
    }
    if not behind:
        return []
    return [_Open(f"{contract.service} is {sum(behind.values())} records behind: {behind}")]


def _letters(
    service: str, rows: Sequence[tuple[str, str, str, str]], expected: Collection[str]
) -> Iterator[_Open]:
    others = [row for row in rows if row[1] not in expected]
    if others:
        for_good = not any(state == "retrying" for state, *_ in others)
        yield _Open(f"{service} has {len(others)} dead letters: {_some(others)}", for_good)


def _some(rows: Sequence[tuple[object, ...]]) -> str:
    more = f", and {len(rows) - SHOWN} more" if len(rows) > SHOWN else ""
    return "; ".join(" ".join(str(part) for part in row if part) for row in rows[:SHOWN]) + more
