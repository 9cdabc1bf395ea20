"""Compensation: a done step is undone once, with what it did in hand; the barrier keeps count.

Invariant: a row stands for one run of a step (saga, step, causing message). A compensation undoes each run
once, latest first, and closes the step for its saga: one that was not there yet is blocked when it comes.
Source: https://learn.microsoft.com/azure/architecture/patterns/compensating-transaction
"""

from collections import defaultdict
from collections.abc import Collection, Iterator
from dataclasses import dataclass, field
from itertools import count
from typing import Literal
from uuid import UUID

from sqlalchemy import (
    BigInteger,
    Column,
    Identity,
    Integer,
    LargeBinary,
    PrimaryKeyConstraint,
    Table,
    Text,
    Uuid,
)

from clinic_lib.arrays import Array, any_of
from clinic_lib.storage import LIBRARY, SCHEMA, Transaction

__all__ = ["Barrier", "Run", "load", "save"]

NOT_STORED = 2**63
"""The place of a run of this very batch: behind all that are stored, one after another."""

barrier = Table(
    "barrier",
    LIBRARY,
    Column("saga", Text),
    Column("step", Text),
    Column("message_id", Uuid),
    Column("place", BigInteger, Identity(), nullable=False),
    Column("state", Text, nullable=False),
    Column("done_type", Text),
    Column("done", LargeBinary),
    Column("done_version", Integer),
    PrimaryKeyConstraint("saga", "step", "message_id"),
)

LOAD = f"""
select saga, step, message_id, state, done_type, done, done_version, place from {SCHEMA}.barrier
where saga = {any_of(1, "text")} and step = {any_of(2, "text")} order by place for update
"""

SAVE = f"""
insert into {SCHEMA}.barrier as b (saga, step, message_id, state, done_type, done, done_version)
select saga, step, message_id, state, done_type, done, done_version
from unnest($1::text::text[], $2::text::text[], $3::text::uuid[], $4::text::text[], $5::text::text[], $6::bytea[],
    $7::text::integer[])
    with ordinality as r (saga, step, message_id, state, done_type, done, done_version, nth)
order by nth
on conflict (saga, step, message_id) do update set state = excluded.state
"""


@dataclass(slots=True)
class Run:
    """One run of a step and the event it answered with; `closed` marks a compensation that found none.

    `place` is its place among all runs of the service: what was done later is undone earlier.
    """

    saga: str
    step: str
    message_id: UUID
    state: Literal["done", "compensated", "closed"]
    done_type: str | None = None
    done: bytes | None = None
    done_version: int | None = None
    place: int = field(default_factory=count(NOT_STORED).__next__)


@dataclass(slots=True)
class Barrier:
    """The runs of the sagas in one batch, oldest first."""

    runs: dict[tuple[str, str], list[Run]] = field(default_factory=lambda: defaultdict(list))
    changed: dict[int, Run] = field(default_factory=dict)

    def to_undo(self, saga: str, step: str) -> list[Run]:
        """Runs that no compensation has undone yet, latest first."""
        return [run for run in reversed(self.runs[saga, step]) if run.state == "done"]

    def is_closed(self, saga: str, step: str) -> bool:
        """Whether a compensation came by: the step never runs again in this saga."""
        return any(run.state != "done" for run in self.runs[saga, step])

    def add(self, run: Run) -> None:
        self.runs[run.saga, run.step].append(run)
        self.changed[id(run)] = run

    def compensate(self, run: Run) -> None:
        run.state = "compensated"
        self.changed[id(run)] = run

    def undo(self, added: Iterator[Run], compensated: Iterator[Run]) -> None:
        """Forget what a message that failed had noted."""
        for run in added:
            self.runs[run.saga, run.step].remove(run)
            del self.changed[id(run)]
        for run in compensated:
            run.state = "done"


async def load(transaction: Transaction, sagas: Collection[str], steps: Collection[str]) -> Barrier:
    """The runs of `steps` in `sagas`; the caller holds the sagas' locks. One statement."""
    result = Barrier()
    for row in await transaction.fetch(LOAD, Array("text", sagas), Array("text", steps)):
        run = Run(*row)
        result.runs[run.saga, run.step].append(run)
    return result


async def save(transaction: Transaction, runs: Collection[Run]) -> None:
    """Store new runs and new states. One statement."""
    await transaction.execute(
        SAVE,
        Array("text", (run.saga for run in runs)),
        Array("text", (run.step for run in runs)),
        Array("uuid", (run.message_id for run in runs)),
        Array("text", (run.state for run in runs)),
        Array("text", (run.done_type for run in runs)),
        [run.done for run in runs],
        Array("integer", (run.done_version for run in runs)),
    )
