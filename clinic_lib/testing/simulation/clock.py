"""The virtual clock: time passes only when the simulation says so, and ids follow from it."""

from datetime import UTC, datetime, timedelta
from itertools import count
from uuid import UUID

from clinic_lib.messages import fast_uuid

__all__ = ["Clock"]

BEGIN = datetime(2026, 1, 2, 8, tzinfo=UTC)


class Clock:
    """One for a whole system: its services have the same time, and no two ids are the same."""

    def __init__(self) -> None:
        self.time = BEGIN
        self._numbers = count(1)

    def now(self) -> datetime:
        return self.time

    def new_id(self) -> UUID:
        """A UUIDv7: the milliseconds, then a number where others have chance."""
        milliseconds = int(self.time.timestamp() * 1000)
        return fast_uuid((milliseconds << 80 | 7 << 76 | 2 << 62 | next(self._numbers)).to_bytes(16, "big"))

    def pass_by(self, time: timedelta) -> None:
        self.time += time

    def go_to(self, time: datetime) -> None:
        """Never back."""
        self.time = max(self.time, time)
