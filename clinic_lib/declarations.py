"""What an author states of a service beside its functions, for `clinic check`: what views cover, what is waived.

Invariant: nothing here changes what a service does.
"""

import re
import traceback
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from traceback import FrameSummary
from typing import Any, Literal, get_args

from clinic_lib.errors import WiringError
from clinic_lib.messages import Event
from clinic_lib.saga import Saga

__all__ = ["Coverage", "Declarations", "Rule", "Subject", "Waiver"]

Rule = Literal[
    "compensation-missing",
    "compensation-uncaused",
    "cycle-without-exit",
    "deadline-undecided",
    "end-followed",
    "end-shared",
    "end-unheard",
    "event-unheard",
    "event-unpublished",
    "fact-heard",
    "key-differs",
    "operation-gone",
    "path-open",
    "restore-unanswered",
    "schema-incompatible",
    "view-uncovered",
]
"""What may be waived; docs/wiring.md says what each one means."""

Subject = Callable[..., Any] | type | Saga | str
"""A function, an event, a row or a saga; the name of an event that is gone, or `POST /orders` of a request."""


@dataclass(frozen=True)
class Coverage:
    """The events that a view, kept in the rows of a class, is to show."""

    row: type
    events: tuple[type[Event], ...]
    place: FrameSummary


@dataclass(frozen=True)
class Waiver:
    """A finding that is none, and why."""

    rule: Rule
    about: Subject
    reason: str
    place: FrameSummary


class Declarations:
    """The part of a service that is read by `clinic check` alone."""

    def __init__(self, name: str, system: str) -> None:
        if not re.fullmatch(r"[a-z][a-z0-9_]*", name):
            made_by = traceback.extract_stack(limit=3)[0]
            raise WiringError(
                f"service {name!r}: a name is lower case letters, digits and underscores", made_by
            )
        self.name = name
        self.system = system
        self.coverages: list[Coverage] = []
        self.waivers: list[Waiver] = []
        self.restorable: list[Saga] = []

    def view(self, row: type, *, covers: Sequence[type[Event]]) -> None:
        """State which events the view in the rows of `row` shows: its projections have to handle just these."""
        self.coverages.append(Coverage(row, tuple(covers), _caller()))

    def waive(self, rule: Rule, about: Subject, *, reason: str) -> None:
        """State that a finding of `clinic check` about something is none, and why.

            service.waive("compensation-missing", quote, reason="it looks a price up and changes nothing")

        Raises `WiringError` without a reason, and for a rule that there is not.
        """
        if rule not in get_args(Rule):
            raise WiringError(f"there is no rule {rule!r}: {', '.join(get_args(Rule))}", _caller())
        if not reason.strip():
            raise WiringError(f"a waiver of {rule} needs a reason: say why it is none here", _caller())
        self.waivers.append(Waiver(rule, about, reason.strip(), _caller()))


def _caller() -> FrameSummary:
    """Whoever called the method that asks."""
    return traceback.extract_stack(limit=3)[0]
