"""Notes: what becomes of a sampled message while its transaction is under way. Spans are made of them afterwards."""

from dataclasses import dataclass, field
from time import time_ns

from clinic_lib.otlp_encoding import Span

__all__ = ["Call", "Notes"]


@dataclass(slots=True)
class Call:
    """One call of a function: its kind and name, and when, in nanoseconds since 1970."""

    kind: str
    handler: str
    start: int
    end: int = 0


@dataclass(slots=True)
class Notes:
    """Of one message. `span` is its own, `key` its saga's once that is known; `error` the class of what went wrong,
    `outcome` what became of it.
    What is not `decided` was dropped as a duplicate, or answered as before.
    """

    span: Span
    key: str | None = None
    attempts: int = 1
    decided: bool = False
    error: str = ""
    outcome: str = "done"
    calls: list[Call] = field(default_factory=list)

    def again(self) -> None:
        """Its transaction was rolled back and begins anew."""
        self.span.start = time_ns()
        self.attempts += 1
        self.decided = False

    def decide(self) -> None:
        """Its functions are about to be called, for the first time or again."""
        self.decided = True
        self.error, self.outcome = "", "done"
        self.calls.clear()

    def fail(self, outcome: str, error: Exception | None) -> None:
        self.outcome = outcome
        self.error = type(error).__name__ if error else ""

    def call(self, kind: str, handler: str) -> None:
        """A function is about to be called; one that is called before it ends has raised."""
        self.calls.append(Call(kind, handler, time_ns()))

    def returned(self) -> None:
        self.calls[-1].end = time_ns()
