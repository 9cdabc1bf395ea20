"""The story of one instance: who has handled which of its events, and what it waits for.

Of a service that is down only the log tells: what it published was caused by a message that it handled, and
what stands before that one it has handled, too.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

from clinic_lib.local.status import Declared
from clinic_lib.operate.screen import day_and_time
from clinic_lib.saga import is_notice

__all__ = ["Listener", "Mark", "Story"]


class Mark(StrEnum):
    """What a service did with an event that it receives."""

    HANDLED = "handled"
    PARKED = "parked"
    NOT_YET = "not yet"
    FORGOTTEN = "forgotten"
    DOWN = "down"


@dataclass(frozen=True)
class Listener:
    """A service that may receive the saga's events.

    `declared` is None when it is down and nothing is known of it; `down` says so and what to do.
    """

    name: str
    declared: Declared | None
    down: str | None = None
    handled: Mapping[str, set[str]] = field(default_factory=dict)

    def receives(self, entry: Mapping[str, Any]) -> bool:
        return self.declared is None or entry["type"] in self.declared["receives"]


@dataclass(frozen=True)
class Story:
    """An instance as its owner gives it, with its history, and those who listen."""

    instance: Mapping[str, Any]
    listeners: Sequence[Listener]

    @property
    def history(self) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = self.instance["history"]
        return found

    def marks(self, listener: Listener) -> list[Mark | None]:
        """One for each entry of the history; None for an event that it does not receive."""
        heard = self._heard_before_its_end(listener)
        return [
            self._mark(listener, entry, known=place < heard) if listener.receives(entry) else None
            for place, entry in enumerate(self.history)
        ]

    def waits_for(self) -> list[str]:
        """Sentences: how it ended, where it is stuck, who has yet to handle what."""
        said = [*self._outcome(), *self._stuck()]
        for listener in self.listeners:
            said += self._awaited(listener)
        if not said and not self.instance["ended_at"]:
            until = self.instance["deadline_at"]
            limit = f" until its deadline at {day_and_time(until)}" if until else ""
            said = [f"waits for a request{limit}: no service has an event of it left to handle"]
        return said

    def _heard_before_its_end(self, listener: Listener) -> int:
        """How many entries it has certainly handled, as the log shows."""
        causes = {
            entry["causation_id"]
            for entry in self.history
            if entry["source"] == listener.name and not is_notice(entry["type"])
        }
        places = [place for place, entry in enumerate(self.history) if entry["message_id"] in causes]
        return places[-1] + 1 if places else 0

    def _mark(self, listener: Listener, entry: Mapping[str, Any], *, known: bool) -> Mark:
        if listener.down:
            return Mark.HANDLED if known else Mark.DOWN
        for mark in (Mark.PARKED, Mark.HANDLED, Mark.FORGOTTEN):
            if entry["message_id"] in listener.handled[mark]:
                return mark
        return Mark.NOT_YET

    def _outcome(self) -> Iterator[str]:
        if not self.history:
            yield f"nothing of it is in the log yet: {self.instance['service']} has still to send its start"
        if self.instance["ended_at"]:
            state = self.instance["state"]
            how = f" {state}" if state in ("completed", "compensated") else ""
            yield f"ended{how} at {day_and_time(self.instance['ended_at'])}"
        elif self.instance["state"] == "overdue":
            yield "overdue: it did not end by its deadline"

    def _stuck(self) -> Iterator[str]:
        for each in self.instance["stuck"]:
            yield (
                f"stuck in {each['service']}: {each['handler']} failed on {each['message_type']} with "
                f"{each['error']} ({self._letters_of(each['service'])})"
            )

    def _awaited(self, listener: Listener) -> Iterator[str]:
        marks = list(zip(self.history, self.marks(listener), strict=True))
        name, views = listener.name, listener.declared["projects"] if listener.declared else []
        parked = _types(entry for entry, mark in marks if mark is Mark.PARKED)
        late = [entry for entry, mark in marks if mark in (Mark.NOT_YET, Mark.DOWN)]
        steps = _types(entry for entry in late if entry["type"] not in views)
        shown = _types(entry for entry in late if entry["type"] in views)
        if parked and name not in [each["service"] for each in self.instance["stuck"]]:
            yield f"{name} has {parked} among its dead letters ({self._letters_of(name)})"
        if listener.declared is None:
            yield f"{listener.down}: what it handles is not known"
            return
        if steps and not (listener.down and self.instance["ended_at"]):
            yield f"waits for {name} to handle {steps}" + (f" ({listener.down})" if listener.down else "")
            steps = ""
        if unsure := ", ".join(filter(None, (steps, shown))):
            if listener.down:
                yield f"{name} may not have handled {unsure} yet ({listener.down})"
            else:
                yield f"{name} does not show {unsure} yet"

    def _letters_of(self, service: str) -> str:
        return f"`clinic dead-letters list {service} --key {self.instance['key']}`"


def _types(entries: Iterator[Mapping[str, Any]]) -> str:
    return ", ".join(dict.fromkeys(entry["type"] for entry in entries))
