"""A service's process: the executor, the redriver and the timer as in the cluster, with the log and the clock of the
simulation. It dies where the schedule wants it: what was not committed is gone, the rest is found by the next one.
"""

from collections.abc import Callable, Sequence
from contextlib import suppress
from datetime import datetime, timedelta
from typing import Any, NamedTuple
from uuid import UUID

import orjson

from clinic_lib import crash_points, inbox, letter_queue, outbox
from clinic_lib.deadlines import DeadlineTimer
from clinic_lib.decoding import decode
from clinic_lib.delivery import Answer, Commands, Poll
from clinic_lib.executor import Executor
from clinic_lib.idempotency import IdempotencyKey
from clinic_lib.messages import Command, Envelope
from clinic_lib.outbox import OutboxRow
from clinic_lib.redrive import Redriver
from clinic_lib.relay import SWEEP_SECONDS
from clinic_lib.testing.simulation.clock import Clock
from clinic_lib.testing.simulation.log import Log, Record, log_name
from clinic_lib.testing.simulation.outlet import Waiting
from clinic_lib.testing.simulation.store import Store
from clinic_lib.testing.simulation.wiring import Wiring

__all__ = ["Committed", "Process"]


class Committed(NamedTuple):
    """An event that a service committed, because of which message, and in which of its transactions."""

    message_id: UUID
    type: str
    subject: str
    cause: UUID | None
    transaction: int


class Process:
    """One process of a service. What is noted of it (`committed`, `handled`) outlives it."""

    def __init__(self, wiring: Wiring, store: Store, log: Log, clock: Clock) -> None:
        self.wiring = wiring
        self.store = store
        self.committed: dict[UUID, Committed] = {}
        self.handled: set[UUID] = set()
        self._log = log
        self._clock = clock
        self._transaction = 0
        self.start()

    @property
    def name(self) -> str:
        return self.wiring.name

    def start(self) -> None:
        """Begin with nothing but what is stored."""
        wiring, clock = self.wiring, self._clock
        storage = self.store.storage
        self.executor = Executor(wiring.name, storage, wiring.metadata, wiring.handlers, wiring.sagas)
        self.executor.plan.now, self.executor.plan.new_id = clock.now, clock.new_id
        self.executor.outlet = self.outlet = Waiting(self._note)
        self._redriver = Redriver(self.executor, wiring.known)
        self._timer = DeadlineTimer(self.executor)
        topics = {log_name(topic): topic for topic in wiring.topics}
        stored = self.store.run(inbox.positions(storage, sorted(topics)))
        self._positions = {(topics[log], number): at for (log, number), at in stored.items()}

    def backlog(self) -> list[list[Record]]:
        """The records that it has not read and can handle, by partition."""
        found = []
        for place in self._log.partitions(self.wiring.topics):
            at = self._positions.get(place, 0)
            unread = self._log.behind(*place, at)
            records = [each for each in unread if each.type in self.wiring.types]
            if records:
                found.append(records)
            else:
                self._positions[place] = at + len(unread)
        return found

    def poll(self, records: Sequence[Record]) -> None:
        """Handle records, of each partition the next ones, in one transaction."""
        deliveries = [decode(each, log_name(each.topic), self.wiring.known) for each in records]
        reached = {(log_name(each.topic), each.partition): each.offset + 1 for each in records}
        work = Poll([each for each in deliveries if each is not None], reached)
        self._run(self.executor.run(work))
        self._positions |= {(each.topic, each.partition): each.offset + 1 for each in records}
        crash_points.crash_point("before-offset-commit")

    def carry_out(self, command: Command, key: IdempotencyKey | None) -> Answer | Exception:
        """A command's answer; the same one again for the same key."""
        endpoint = next(each for each in self.wiring.endpoints if each.command is type(command))
        message_id = self._clock.new_id()
        envelope = Envelope(message_id, self._clock.now(), "http", message_id)
        delivery = endpoint.delivery(command, envelope, key)
        self._run(self.executor.run(Commands([delivery])))
        assert delivery.answer is not None
        return delivery.answer

    def publish(self, count: int) -> None:
        """Send the first `count` rows that wait."""
        rows = list(self.outlet.queue.values())[:count]
        for row in rows:
            self._log.append(row)
        crash_points.crash_point("after-publish")
        for row in rows:
            self.outlet.has_sent(row)

    def sweep(self) -> None:
        """Find what another run of the process had not published."""
        rows = self._run(outbox.overdue(self.store.storage, self.outlet.known(), SWEEP_SECONDS))
        crash_points.crash_point("sweeper")
        self.outlet.offer(rows)

    def tidy(self) -> None:
        """Delete what was published."""
        if sent := self.outlet.take_sent():
            self._run(outbox.delete(self.store.storage, sent))
            self.outlet.deleted(sent)

    def next_deadline(self) -> datetime | None:
        """Of all its sagas that run."""
        times = [each["deadline_at"] for each in self.store.library("saga") if each["deadline_at"]]
        return min(times, default=None)

    def repairs(self) -> list[tuple[datetime, Callable[[], None], str]]:
        """What it does by itself, and when, to make good what went wrong."""
        found: list[tuple[datetime, Callable[[], None], str]] = []
        known = {*self.outlet.known()}
        left = [each["created_at"] for each in self.store.library("outbox") if each["id"] not in known]
        if left:
            sweep_at = min(left) + timedelta(seconds=SWEEP_SECONDS, microseconds=1)
            found.append((sweep_at, self.sweep, "finds what was not published"))
        letters = self.store.library("dead_letter")
        if retries := [each["retry_at"] for each in letters if each["state"] == "retrying"]:
            found.append((min(retries), self.retry, "tries dead letters again"))
        return found

    def reach_deadlines(self) -> None:
        self._run(self._timer.fire())

    def retry(self) -> None:
        """Handle the dead letters whose time has come."""
        for key in sorted(self._run(letter_queue.claim_retries(self.store.storage))):
            self.redrive(key)

    def redrive(self, key: str) -> None:
        """Handle a key's dead letters; what goes wrong leaves them where they are."""
        with suppress(Exception):
            self._run(self._redriver.redrive_key(key))

    def _run(self, work: Any) -> Any:
        self._transaction += 1
        return self.store.run(work)

    def _note(self, rows: Sequence[OutboxRow]) -> None:
        for row in rows:
            if row.message_id not in self.committed:
                cause = orjson.loads(row.payload).get("causationid")
                self.committed[row.message_id] = Committed(
                    row.message_id, row.type, row.aggregateid, cause and UUID(cause), self._transaction
                )
