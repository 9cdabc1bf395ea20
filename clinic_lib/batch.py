"""One batch: the steps of one transaction.

Lock order everywhere: inbox and idempotency keys, sagas' keys (sorted), dead letters, barrier, then tables in one
fixed order with their rows sorted. The number of statements depends on what the handlers ask for, never on how
many messages there are: inbox and checkpoint, locks, parked keys, barrier, one a table to load and one to save,
barrier, instances of own sagas, outbox.
"""

from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from itertools import groupby
from typing import Any
from uuid import UUID

from sqlalchemy import Table

from clinic_lib import (
    compensation,
    dead_letter,
    inbox,
    instances,
    keys,
    letter_queue,
    outbox,
)
from clinic_lib.claims import Claims
from clinic_lib.compensation import Barrier
from clinic_lib.decision import decide, done_events
from clinic_lib.delivery import Commands, Delivery, Discard, Poll, Redrive, Work, values_of
from clinic_lib.desk import Desk, DrawnIds
from clinic_lib.encoding import Encoder
from clinic_lib.errors import NotFoundError
from clinic_lib.handlers import Handler, Load, course_of
from clinic_lib.ledger import Ledger, Sagas
from clinic_lib.letter_queue import Known
from clinic_lib.messages import new_message_id
from clinic_lib.outbox import OutboxRow, Outlet
from clinic_lib.rows import Image, Rows, RowTable, row_table
from clinic_lib.storage import Transaction
from clinic_lib.tally import Tally

__all__ = ["Batch", "Plan"]

Kinds = Counter[tuple[Handler, ...]]
"""How many messages of a batch are handled by which functions."""


def _now() -> datetime:
    return datetime.now(UTC)


@dataclass(slots=True)
class Plan:
    """What a service's handlers mean for every batch.

    `guarded` are the steps that have a compensation; `order` is the one in which tables are locked and written,
    referenced ones first; `sagas` are those that the service owns; `ids_each` is how many new ids a message took in
    the last transaction that drew some. `now` and `new_id` are the time and the ids of what is published.
    """

    service: str
    guarded: frozenset[str]
    order: dict[Table, int]
    sagas: Sagas
    ids_each: int = 1
    largest_event_bytes: int = 1_000_000
    now: Callable[[], datetime] = _now
    new_id: Callable[[], UUID] = new_message_id

    def in_order(self, rows: Iterable[type]) -> list[RowTable]:
        return sorted({row_table(row) for row in rows}, key=lambda table: self.order[table.table])

    def encoder(self) -> Encoder:
        """For one transaction: its events carry the time at which it began."""
        return Encoder(self.service, self.now(), self.largest_event_bytes, self.new_id)


class Batch:
    """One transaction's work, step by step."""

    def __init__(
        self, plan: Plan, transaction: Transaction, work: Work, outlet: Outlet, sent: list[int]
    ) -> None:
        self.plan = plan
        self.outlet = outlet
        self.transaction = transaction
        self.work = work
        self.sent = sent
        self.claims = Claims()
        self.barrier_steps: set[str] = set()
        self.deleted_sent = False
        self.ids: dict[type, DrawnIds] = {}
        self.ledger = Ledger(plan.sagas)
        self.tally = Tally()

    async def run(self) -> list[OutboxRow]:
        deliveries = await self._find_keys(await self._arrive())
        if not deliveries:
            return await self._finish(None)
        kinds = Counter(each.handlers for each in deliveries)
        await self._draw_ids(kinds)
        locked = sorted({each.key for each in deliveries if each.key})
        self.work.enter(await keys.lock(self.transaction, locked))
        deliveries, parked = await self._leave_out_parked(deliveries, locked)
        desk = Desk(
            encoder=self.plan.encoder(),
            rows=Rows(),
            barrier=await self._load_barrier(kinds, locked),
            ledger=self.ledger,
            parked=parked,
            guarded=self.plan.guarded,
            transaction=self.transaction,
            load=self._load_more,
            tally=self.tally,
            ids=self.ids,
        )
        if self.plan.sagas.decided and (deadlines := [e.message for e in deliveries if e.course.is_deadline]):
            await instances.load_ended(self.transaction, deadlines, self.ledger)
        for segment in _segments(deliveries, kinds):
            await self._decide(segment, desk)
        return await self._finish(desk)

    def count(self) -> None:
        """Once it is committed: let the metrics know what was done, and the plan how many ids it took."""
        if self.ids:
            self.plan.ids_each = max(1, *(each.taken_each for each in self.ids.values()))
        self.ledger.count(self.plan.service)
        self.tally.count(self.plan.service)

    async def _arrive(self) -> list[Any]:
        """What is new: by the inbox for records, by the idempotency key for commands."""
        match self.work:
            case Commands():
                return await self.claims.claim(self.transaction, self.work.deliveries)
            case Poll():
                return await self._receive(self.work)
            case _:
                return self.work.deliveries

    async def _receive(self, poll: Poll) -> list[Any]:
        ids = [each.envelope.message_id for each in poll.deliveries]
        places = [each.position for each in poll.deliveries]
        fresh = await inbox.receive(self.transaction, poll.next_offsets, ids, places)
        deliveries = []
        for message_id, each in zip(ids, poll.deliveries, strict=True):
            if message_id in fresh:
                fresh.remove(message_id)
                deliveries.append(each)
        self.tally.fresh = len(deliveries)
        self.tally.duplicates = len(poll.deliveries) - len(deliveries)
        return deliveries

    async def _leave_out_parked(self, deliveries: list[Any], locked: list[str]) -> tuple[list[Any], set[str]]:
        """What waits behind a dead letter: for a poll the keys, for a redrive what it may not handle yet."""
        match self.work:
            case Poll():
                return deliveries, await dead_letter.parked(self.transaction, locked)
            case Redrive():
                letters = {each.letter.id: each.key for each in deliveries}
                may = await letter_queue.handleable(self.transaction, locked, letters)
                return await self._admit(_as_they_are(deliveries, may)), set()
            case Discard():
                may = await letter_queue.present(self.transaction, [each.letter.id for each in deliveries])
                return _as_they_are(deliveries, may), set()
            case _:
                return deliveries, set()

    async def _admit(self, deliveries: list[Any]) -> list[Any]:
        """A record that was malformed entered the inbox by its place: now its own id must, or it is known."""
        readable = [
            each for each in deliveries if each.letter.state == "malformed" and each.message is not None
        ]
        if readable:
            ids = [each.envelope.message_id for each in readable]
            fresh = await inbox.admit(self.transaction, ids)
            for each in readable:
                if each.envelope.message_id not in fresh:
                    each.handlers = ()
                fresh.discard(each.envelope.message_id)
        return deliveries

    async def _find_keys(self, deliveries: list[Any]) -> list[Any]:
        """A command may name a row without naming its saga: the row knows. Its key never changes."""
        if not isinstance(self.work, Commands):
            return deliveries
        waiting = [(each, each.key_load) for each in deliveries if each.key_load is not None]
        for load in {load for _, load in waiting}:
            table = row_table(load.row)
            mine = [each for each, own in waiting if own == load]
            wanted = {load.columns: {values_of(load.columns, each.message) for each in mine}}
            found = {
                table.key_of(row.__dict__): row
                for row in await table.load(self.transaction, wanted, lock=False)
            }
            for each in mine:
                values = values_of(load.columns, each.message)
                row = found.get(values)
                if row is None:
                    each.answer = NotFoundError(f"there is no {table.table.name} {values[0]}")
                else:
                    each.key = f"{each.key_field}:{getattr(row, each.key_field or '')}"
        return [each for each in deliveries if each.answer is None]

    async def _draw_ids(self, kinds: Kinds) -> None:
        asking: Counter[type] = Counter()
        for handlers, times in kinds.items():
            for row in course_of(handlers).new_ids:
                asking[row] += times
        each = self.plan.ids_each * self.work.times_ids
        for table in self.plan.in_order(asking):
            ids = await table.draw(self.transaction, asking[table.row] * each)
            self.ids[table.row] = DrawnIds(ids, asking[table.row])

    async def _load_barrier(self, kinds: Kinds, keys: list[str]) -> Barrier:
        for handler in {handler for handlers in kinds for handler in handlers}:
            if handler.compensates:
                self.barrier_steps.add(handler.compensates.name)
            elif handler.name in self.plan.guarded:
                self.barrier_steps.add(handler.name)
        if not self.barrier_steps or not keys:
            return Barrier()
        return await compensation.load(self.transaction, keys, self.barrier_steps)

    async def _decide(self, deliveries: list[Any], desk: Desk) -> None:
        """Load what these messages need, let their functions decide, write what changed."""
        desk.rows = Rows()
        wanted = _wanted(deliveries, desk)
        for table in self.plan.in_order(wanted):
            groups = {columns: values for columns, values in wanted[table.row].items() if values}
            if groups:
                desk.rows.add_loaded(table, await table.load(self.transaction, groups), groups)
        await decide(deliveries, desk)
        tables = self.plan.in_order(desk.rows.classes())
        for table, changed, new in desk.rows.changes(tables):
            await table.save(self.transaction, changed, new)

    async def _load_more(self, rows: Rows, missing: dict[Load, set[Image]]) -> None:
        """Rows that only the answers of steps in this same batch name."""
        wanted = {load.row: {load.columns: keys} for load, keys in missing.items()}
        for table in self.plan.in_order(wanted):
            rows.add_loaded(table, await table.load(self.transaction, wanted[table.row]), wanted[table.row])

    async def _finish(self, desk: Desk | None) -> list[OutboxRow]:
        if desk is not None:
            if desk.barrier.changed:
                await compensation.save(self.transaction, list(desk.barrier.changed.values()))
            if desk.letters:
                await dead_letter.store(self.transaction, desk.letters)
                self.tally.letters.update(each.state for each in desk.letters if each.id is None)
            if desk.handled:
                locked = {each.key for each in self.work.deliveries if each.key}
                await letter_queue.settle(self.transaction, desk.handled, locked)
            if self.ledger.changes:
                await instances.save(self.transaction, self.ledger)
        await self.claims.keep(self.transaction)
        if desk is None or not desk.events:
            return []
        self.deleted_sent = True
        return await outbox.insert(self.transaction, desk.events, self.sent)


def _segments(deliveries: list[Any], kinds: Kinds) -> list[list[Any]]:
    """Divided around each message whose function writes SQL of its own: it sees what those before it changed."""
    if not any(course_of(handlers).uses_transaction for handlers in kinds):
        return [deliveries]
    alone = groupby(deliveries, key=lambda each: id(each) if each.course.uses_transaction else 0)
    return [list(segment) for _, segment in alone]


def _as_they_are(deliveries: list[Any], may: dict[int, Known]) -> list[Any]:
    """Those whose letter may be handled, with what is known of it under the lock."""
    left = [each for each in deliveries if each.letter.id in may]
    for each in left:
        each.letter = replace(each.letter, **may[each.letter.id]._asdict())
    return left


def _wanted(
    deliveries: Iterable[Delivery], desk: Desk
) -> dict[type, dict[tuple[str, ...], set[tuple[Any, ...]]]]:
    """Which rows the functions of these messages ask for; a compensation may need what its step did."""
    wanted: dict[type, dict[tuple[str, ...], set[tuple[Any, ...]]]] = {}
    for each in deliveries:
        if each.key in desk.parked or each.failure is not None:
            continue
        for handler in each.handlers:
            sources: Sequence[Any] = (None,)
            if handler.compensates is not None:
                sources = done_events(desk.barrier, each.key or "", handler)
            for load in handler.loads:
                values = wanted.setdefault(load.row, {}).setdefault(load.columns, set())
                for done in sources:
                    values.add(values_of(load.columns, each.message, done))
    return wanted
