"""Claims: which commands of a group have an idempotency key that is free, and what the others are answered."""

from clinic_lib import idempotency
from clinic_lib.delivery import Answer, CommandDelivery
from clinic_lib.errors import CommandError, InvalidError
from clinic_lib.idempotency import StoredAnswer
from clinic_lib.problems import problem_of
from clinic_lib.storage import Transaction

__all__ = ["Claims"]


class Claims:
    """The idempotency keys of one group of commands."""

    def __init__(self) -> None:
        self._followers: list[tuple[CommandDelivery, CommandDelivery]] = []
        self._claimed: list[CommandDelivery] = []

    async def claim(self, transaction: Transaction, commands: list[CommandDelivery]) -> list[CommandDelivery]:
        """Those of `commands` that are to be carried out: not answered before, not behind another of the group."""
        first: dict[tuple[str, str], CommandDelivery] = {}
        for each in commands:
            if each.idempotency:
                leader = first.setdefault((each.idempotency.key, each.idempotency.path), each)
                if leader is not each:
                    self._followers.append((each, leader))
        if not first:
            return list(commands)
        keys = [each.idempotency for each in first.values() if each.idempotency]
        stored = await idempotency.claim(transaction, keys)
        for name, each in first.items():
            each.answer = _stored_answer(each, stored[name])
            if each.answer is None:
                self._claimed.append(each)
        behind = {id(each) for each, _ in self._followers}
        return [each for each in commands if each.answer is None and id(each) not in behind]

    async def keep(self, transaction: Transaction) -> None:
        """Store the answers with their keys, free the keys of those that failed, answer who was behind."""
        kept, failed = [], []
        for each in self._claimed:
            assert each.idempotency is not None
            match each.answer:
                case Answer(status, body, location):
                    kept.append((each.idempotency, status, body, location))
                case CommandError() as error if error.status < 500:
                    kept.append((each.idempotency, error.status, bytes(problem_of(error).body), None))
                case _:
                    failed.append(each.idempotency)
        if self._claimed:
            await idempotency.keep(transaction, kept, failed)
        for follower, leader in self._followers:
            assert follower.idempotency and leader.idempotency
            same = follower.idempotency.fingerprint == leader.idempotency.fingerprint
            follower.answer = leader.answer if same else _other_body()


def _stored_answer(command: CommandDelivery, stored: StoredAnswer) -> Answer | CommandError | None:
    assert command.idempotency is not None
    if stored.fingerprint != command.idempotency.fingerprint:
        return _other_body()
    if stored.status is None:
        return None
    return Answer(stored.status, stored.body or b"", stored.location)


def _other_body() -> InvalidError:
    return InvalidError("this Idempotency-Key was used with another body within the last 24 hours")
