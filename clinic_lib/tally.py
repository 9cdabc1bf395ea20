"""The tally of one batch: what it did, in plain numbers. They become metrics once it has committed.

So a batch that is repeated counts once, and a message costs an addition instead of a metric's lock.
"""

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Literal

from clinic_lib import metrics
from clinic_lib.handlers import Handler, Kind

__all__ = ["Decision", "Outcome", "Tally"]

Outcome = Literal["done", "failure", "refused", "error", "retrying", "dead_letter", "parked"]

Decision = tuple[str, Kind, Outcome]
"""A function's name, its kind, and what it came to."""


@dataclass(slots=True)
class Tally:
    """What one batch did. `fresh` and `duplicates` are records; `oldest` is the time of the oldest event that a
    projection took in.
    """

    fresh: int = 0
    duplicates: int = 0
    decisions: dict[Decision, int] = field(default_factory=dict)
    oldest: dict[str, datetime] = field(default_factory=dict)
    letters: Counter[str] = field(default_factory=Counter)

    def take(self, decisions: Iterable[Decision], at: datetime) -> None:
        """What the functions came to whose message, of the time `at`, is handled."""
        for each in decisions:
            self.decisions[each] = self.decisions.get(each, 0) + 1
            name, kind, _ = each
            if kind == "projection" and at < self.oldest.get(name, at_the_end):
                self.oldest[name] = at

    def set_aside(self, handlers: Iterable[Handler], outcome: Outcome) -> None:
        """The message of `handlers` is not handled, or not yet."""
        for each in handlers:
            decision = each.name, each.kind, outcome
            self.decisions[decision] = self.decisions.get(decision, 0) + 1

    def count(self, service: str) -> None:
        """Let the metrics know. A poll whose commit was in doubt is repeated and found known: duplicates."""
        for outcome, records in (("handled", self.fresh), ("duplicate", self.duplicates)):
            if records:
                metrics.consumer_records.labels(service, outcome).inc(records)
        for decision, times in self.decisions.items():
            metrics.handled.labels(service, *decision).inc(times)
        if self.oldest:
            now = datetime.now(UTC)
            for projection, at in self.oldest.items():
                delay = max(0.0, (now - at).total_seconds())  # another machine's clock may be ahead
                metrics.projection_delay.labels(service, projection).observe(delay)
        for state, letters in self.letters.items():
            metrics.dead_letters.labels(service, state).inc(letters)


at_the_end = datetime.max.replace(tzinfo=UTC)
