"""Redrive: dead letters are handled again, by themselves when their time has come, or when somebody says so.

Invariant: a key's letters are handled in their order, under its lock, by the executor like any record; the
first that fails again stops the rest. What leaves the table does so in the transaction that handled it.
"""

import asyncio
import logging
from collections.abc import Mapping
from dataclasses import dataclass

from clinic_lib import keys, letter_queue, outbox, telemetry
from clinic_lib.decoding import Subscription, decode
from clinic_lib.delivery import RecordDelivery, Redrive
from clinic_lib.errors import TransientError
from clinic_lib.executor import Executor
from clinic_lib.letter_queue import StoredLetter
from clinic_lib.messages import Envelope, new_message_id
from clinic_lib.saga import Freed, notice

__all__ = ["Outcome", "Redriver"]

LOOK_SECONDS = 0.5

log = logging.getLogger(__name__)


@dataclass(slots=True)
class Outcome:
    """How a redrive went: letters handled, letters left, and why it stopped."""

    handled: int = 0
    remaining: int = 0
    error: str | None = None

    def add(self, other: "Outcome") -> None:
        self.handled += other.handled
        self.remaining += other.remaining
        self.error = self.error or other.error


class Redriver:
    """Handles one service's dead letters again. `known` is what its consumer can read."""

    def __init__(self, executor: Executor, known: Mapping[bytes, Subscription]) -> None:
        self._executor = executor
        self._database = executor.database
        self._known = known

    async def run(self) -> None:
        """Try again what is due, for ever."""
        while True:
            await asyncio.sleep(LOOK_SECONDS)
            try:
                for key in await letter_queue.claim_retries(self._database):
                    await self._retry(key)
            except Exception as exc:
                log.warning("redrive.look failed: %r", exc, exc_info=not isinstance(exc, TransientError))

    async def _retry(self, key: str) -> None:
        """What goes wrong with one key leaves the others alone; it is due again when its claim is over."""
        try:
            await self.redrive_key(key)
        except Exception as exc:
            log.warning("redrive.retry %s failed: %r", key, exc, exc_info=not isinstance(exc, TransientError))

    async def redrive_key(self, key: str) -> Outcome:
        """Handle a key's letters until none is left or one fails. Raises `TransientError`."""
        outcome = Outcome()
        while letters := await letter_queue.of_key(self._database, key):
            await self._handle(letters)
            left = {each.id: each for each in await letter_queue.of_key(self._database, key)}
            outcome.handled += sum(each.id not in left for each in letters)
            head = next(iter(left.values()), None)
            if head is None:
                break
            if head.attempts or head.id == letters[0].id:
                outcome.remaining, outcome.error = await letter_queue.count(self._database, key)
                break
        return outcome

    async def redrive(self, letter: StoredLetter) -> Outcome:
        """Handle the letters of this one's key; a malformed record, which has none, alone."""
        if letter.parked_key is not None:
            return await self.redrive_key(letter.parked_key)
        await self._handle([letter])
        left = await letter_queue.stored(self._database, letter.id)
        return Outcome(remaining=1, error=left.error) if left else Outcome(handled=1)

    async def redrive_all(self) -> Outcome:
        """Handle the letters of every key, and the malformed records."""
        outcome = Outcome()
        for letter in await letter_queue.heads(self._database):
            outcome.add(await self.redrive(letter))
        return outcome

    async def discard(self, letter: StoredLetter) -> Outcome:
        """Delete a letter unhandled; what waited behind it is handled now."""
        events = []
        async with self._database.transaction() as transaction:
            if letter.parked_key is not None:
                await keys.lock(transaction, [letter.parked_key])
            await letter_queue.settle(transaction, [letter.id], [letter.parked_key or ""])
            if letter.announced and letter.parked_key is not None:
                events.append(self._freed(letter, letter.parked_key))
            rows = await outbox.insert(transaction, events) if events else []
        self._executor.outlet.offer(rows)
        log.warning("redrive.discard: %s of %s is gone unhandled", letter.type, letter.parked_key)
        return await self.redrive_key(letter.parked_key) if letter.parked_key is not None else Outcome()

    def _freed(self, letter: StoredLetter, key: str) -> outbox.Outgoing:
        plan, cause = self._executor.plan, self._delivery(letter).envelope
        event = notice(Freed, letter.topic, key)(service=plan.service, message_id=cause.message_id)
        return plan.encoder().write(event, cause)

    async def _handle(self, letters: list[StoredLetter]) -> None:
        work = Redrive([self._delivery(letter) for letter in letters])
        await self._executor.run(work)
        telemetry.redriven.labels(self._executor.service).inc(len(letters))

    def _delivery(self, letter: StoredLetter) -> RecordDelivery:
        """As the consumer would read it today; of a type that nobody here handles any more nothing is done."""
        delivery = decode(letter, letter.topic, self._known)
        if delivery is None:
            message_id = letter.message_id or new_message_id()
            envelope = Envelope(message_id, self._executor.plan.encoder().time, "", message_id)
            delivery = RecordDelivery(None, envelope, (), letter.parked_key, letter)
        delivery.letter = letter
        delivery.key = letter.parked_key or delivery.key
        return delivery
