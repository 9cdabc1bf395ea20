"""The outlet of a process: what it has committed and not yet published. It dies with the process."""

from collections.abc import Callable, Collection, Sequence

from clinic_lib.outbox import OutboxRow, Outlet

__all__ = ["Waiting"]


class Waiting(Outlet):
    """Rows wait here until the schedule has them published; those that were are deleted by a later transaction."""

    def __init__(self, note: Callable[[Sequence[OutboxRow]], None]) -> None:
        self._note = note
        self.queue: dict[int, OutboxRow] = {}
        self._sent: set[int] = set()
        self._deleting: set[int] = set()

    def take_sent(self) -> list[int]:
        taken = sorted(self._sent)
        self._deleting.update(taken)
        self._sent.clear()
        return taken

    def give_back(self, sent: list[int]) -> None:
        self._deleting.difference_update(sent)
        self._sent.update(sent)

    def deleted(self, sent: Collection[int]) -> None:
        self._deleting.difference_update(sent)

    def offer(self, rows: Sequence[OutboxRow]) -> None:
        self._note(rows)
        for row in rows:
            if row.id not in self._sent and row.id not in self._deleting:
                self.queue.setdefault(row.id, row)

    def known(self) -> list[int]:
        """Rows that need no sweeping."""
        return [*self.queue, *self._sent, *self._deleting]

    def has_sent(self, row: OutboxRow) -> None:
        del self.queue[row.id]
        self._sent.add(row.id)
