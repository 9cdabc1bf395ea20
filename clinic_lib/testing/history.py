"""What happened to a system, in its order, with the seconds since it was up."""

from collections import Counter
from time import monotonic

__all__ = ["History"]


class History:
    """Lines for people. `deaths` counts the service processes that were killed, `crashes` those at each point."""

    def __init__(self) -> None:
        self.lines: list[str] = []
        self.deaths = self.deadlocks = self.published_again = 0
        self.crashes: Counter[str] = Counter()
        self._began = monotonic()

    def note(self, what: str) -> None:
        """Adds what happens now."""
        self.lines.append(f"{monotonic() - self._began:7.2f} s  {what}")

    def __str__(self) -> str:
        points = ", ".join(f"{count} at {point}" for point, count in sorted(self.crashes.items()))
        return (
            f"{self.deaths} processes killed{f' ({points})' if points else ''}, {self.deadlocks} deadlocks, "
            f"{self.published_again} records published again, in {monotonic() - self._began:.1f} s"
        )
