"""What month it is: the calendar's, except in a recorded program, which has to be the same each time."""

from contextvars import ContextVar
from datetime import UTC, datetime

__all__ = ["STANDS_STILL", "first_of_month"]

STANDS_STILL: ContextVar[datetime | None] = ContextVar("STANDS_STILL", default=None)


def first_of_month() -> str:
    """As Azure writes it."""
    now = STANDS_STILL.get() or datetime.now(UTC)
    return now.strftime("%Y-%m-01T00:00:00Z")
