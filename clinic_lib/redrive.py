"""Redrive: dead letters are handled again, by themselves when their time has come, or when somebody says so.

Invariant: a key's letters are handled in their order, under its lock, by the executor like any record; the
first that fails again stops the rest. What leaves the table does so in the transaction that handled it.
"""

import asyncio
from collections.abc import Awaitable, Mapping
from dataclasses import dataclass

from clinic_lib import letter_queue, metrics
from clinic_lib.decoding import Subscription, decode
from clinic_lib.delivery import Discard, RecordDelivery, Redrive
from clinic_lib.executor import Executor
from clinic_lib.letter_queue import StoredLetter
from clinic_lib.logs import describe, logger, unexpected
from clinic_lib.messages import Envelope, new_message_id

__all__ = ["Outcome", "Redriver"]

LOOK_SECONDS = 0.5
RETRIES_AT_ONCE = 2

log = logger(__name__)


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
        self._at_once = asyncio.Semaphore(RETRIES_AT_ONCE)

    async def run(self) -> None:
        """Try again what is due, for ever."""
        while True:
            await asyncio.sleep(LOOK_SECONDS)
            try:
                due = await letter_queue.claim_retries(self._database)
                async with asyncio.TaskGroup() as retries:
                    for key in due:
                        retries.create_task(self._retry(key))
            except Exception as exc:
                log.warning("redrive.look_failed", error=describe(exc), exc_info=unexpected(exc))

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
            if not _goes_on(head) or head.id == letters[0].id:
                outcome.remaining, outcome.error = await letter_queue.count(self._database, key)
                break
        return outcome

    async def redrive(self, letter: StoredLetter) -> Outcome:
        """Handle the letters of this one's key; a malformed record, which has none, alone."""
        if letter.parked_key is not None:
            return await self.redrive_key(letter.parked_key)
        delivery = await self._handle([letter])
        left = await letter_queue.stored(self._database, letter.id)
        if left is None:
            return Outcome(handled=1)
        if left.parked_key is None and delivery[0].key is not None:
            return Outcome(remaining=1, error=f"its key {delivery[0].key} is parked: redrive that first")
        return Outcome(remaining=1, error=left.error)

    async def redrive_all(self) -> Outcome:
        """Handle the letters of every key, and the malformed records; one that can't be leaves the others alone."""
        outcome = Outcome()
        for number in await letter_queue.heads(self._database):
            if letter := await letter_queue.stored(self._database, number):
                outcome.add(await self._attempt(self.redrive(letter), letter.parked_key))
        return outcome

    async def discard(self, letter: StoredLetter) -> Outcome:
        """Delete a letter unhandled; what only waited behind it is handled now. Raises `TransientError`."""
        await self._executor.run(Discard([self._unhandled(letter)]))
        log.warning("redrive.discarded", letter=letter.id, type=letter.type, saga_key=letter.parked_key)
        if letter.parked_key is None:
            return Outcome()
        first = await letter_queue.of_key(self._database, letter.parked_key, 1)
        if first and _goes_on(first[0]):
            return await self._attempt(self.redrive_key(letter.parked_key), letter.parked_key)
        remaining, error = await letter_queue.count(self._database, letter.parked_key)
        return Outcome(remaining=remaining, error=error)

    async def _attempt(self, redrive: Awaitable[Outcome], key: str | None) -> Outcome:
        """What goes wrong with one key leaves the others alone; the letters stay."""
        try:
            return await redrive
        except Exception as exc:
            log.warning("redrive.failed", saga_key=key, error=describe(exc), exc_info=unexpected(exc))
            return Outcome(remaining=1, error=f"{type(exc).__name__}: {exc}")

    async def _retry(self, key: str) -> None:
        """One that takes long holds up no other key."""
        async with self._at_once:
            await self._attempt(self.redrive_key(key), key)

    async def _handle(self, letters: list[StoredLetter]) -> list[RecordDelivery]:
        deliveries = [self._delivery(letter) for letter in letters]
        await self._executor.run(Redrive(deliveries))
        metrics.redriven.labels(self._executor.service).inc(len(letters))
        return deliveries

    def _delivery(self, letter: StoredLetter) -> RecordDelivery:
        """As the consumer would read it today; of a type that nobody here handles any more nothing is done."""
        delivery = decode(letter, letter.topic, self._known)
        if delivery is None:
            return self._unhandled(letter)
        delivery.letter = letter
        delivery.key = letter.parked_key or delivery.key
        return delivery

    def _unhandled(self, letter: StoredLetter) -> RecordDelivery:
        """With what the record says of where it belongs, if it can be read."""
        read = decode(letter, letter.topic, self._known)
        message_id = letter.message_id or new_message_id()
        known = Envelope(message_id, self._executor.plan.encoder().time, "", message_id)
        envelope = read.envelope if read is not None and read.message is not None else known
        return RecordDelivery(None, envelope, (), letter.parked_key, letter, letter=letter)


def _goes_on(head: StoredLetter) -> bool:
    """Whether it only waited behind what is gone, and has not failed itself."""
    return head.state == "waiting" or (head.state == "retrying" and head.attempts == 0)
