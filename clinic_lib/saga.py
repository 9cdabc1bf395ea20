"""Sagas by choreography: which event begins one, which ones end it, and how long it may take.

Nobody conducts: services react to each other's events. The service that publishes the start owns the saga and
knows how each instance stands (`clinic_lib.instances`); a service elsewhere that can't go on says so by an
event of the library's, under the saga's key.
Source: https://www.cs.cornell.edu/andru/cs711/2002fa/reading/sagas.pdf
"""

import re
import traceback
from collections.abc import Callable, Sequence
from datetime import timedelta
from functools import cache, partial
from typing import Any, Literal
from uuid import UUID

from pydantic import create_model

from clinic_lib.errors import WiringError
from clinic_lib.messages import Event

__all__ = ["Freed", "Saga", "SagaState", "Stuck", "is_notice", "notice", "notices_of"]

SagaState = Literal["running", "completed", "compensated", "overdue", "stuck"]


class Stuck(Event, abstract=True):
    """A service parked the saga's key: `handler` failed on the message `message_id` and somebody has to look."""

    service: str
    handler: str
    message_type: str
    message_id: UUID
    error: str


class Freed(Event, abstract=True):
    """The message that a service was stuck on was handled or discarded."""

    service: str
    message_id: UUID


class Saga:
    """A flow over several services: an event begins it, one of `ends` ends it.

        reservation = Saga(
            "reservation",
            starts=OrderPlaced,
            ends=(OrderConfirmed, OrderCancelled),
            deadline=timedelta(minutes=15),
        )

    An end that is a failure leaves it `compensated`, any other one `completed`; when several come, the last one
    that the owner sees tells. An instance that has not ended after `deadline` is overdue: then
    `deadline_reached`, an event with the fields of the start, enters the log, and the owner decides.
    An end's class is published by the owner or by other services, not by both.
    Raises `WiringError` when the events are not of one log and key.
    """

    def __init__(
        self,
        name: str,
        *,
        starts: type[Event],
        ends: Sequence[type[Event]],
        deadline: timedelta | None = None,
    ) -> None:
        caller = traceback.extract_stack(limit=2)[0]
        if not re.fullmatch(r"[a-z][a-z0-9_]*", name):
            raise WiringError(f"saga {name!r}: a name is lower case letters, digits and underscores", caller)
        if not ends:
            raise WiringError(f"saga {name}: name the events that end it", caller)
        if deadline is not None and deadline <= timedelta():
            raise WiringError(f"saga {name}: a deadline is longer than nothing", caller)
        log = starts.declaration.topic, starts.declaration.key
        for end in ends:
            if (end.declaration.topic, end.declaration.key) != log:
                raise WiringError(
                    f"saga {name}: {end.__name__} has another topic or key than its start", caller
                )
        self.name = name
        self.place = caller
        self.starts = starts
        self.ends = tuple(ends)
        self.deadline = deadline
        self.deadline_reached = _deadline_reached(name, starts)

    @property
    def notices(self) -> tuple[type[Event], type[Event]]:
        """What services say of themselves in this saga's log: stuck, freed."""
        return notices_of(self.starts)


def notices_of(event: type[Event]) -> tuple[type[Event], type[Event]]:
    """What a service may say of itself when it can't handle `event`: stuck, and freed."""
    log = event.declaration.topic, event.declaration.key
    return _notice(Stuck, *log), _notice(Freed, *log)


def is_notice(event_type: str) -> bool:
    """Whether a service says it of itself: stuck on a message, or free again."""
    return event_type.endswith(("StepStuck", "StepFreed"))


def notice(content: type[Event], topic: str, key: str) -> Callable[..., Event]:
    """Makes `Stuck` or `Freed` an event of `topic` about the saga `key`, as `order_id:17`."""
    name, _, subject = key.partition(":")
    number = subject.isdecimal() and str(int(subject)) == subject
    return partial(_notice(content, topic, name), **{name: int(subject) if number else subject})


@cache
def _notice(content: type[Event], topic: str, key: str) -> type[Event]:
    field: Any = {key: (int | str, ...)}
    return create_model(
        f"{_camel(key.removesuffix('_id'))}Step{content.__name__}",
        __base__=content,
        __module__=__name__,
        __doc__=content.__doc__,
        __cls_kwargs__={"topic": topic, "key": key},
        **field,
    )


def _deadline_reached(name: str, starts: type[Event]) -> type[Event]:
    """A class of its own with the start's fields, so that a function over the start can be handed it."""
    event = create_model(
        f"{_camel(name)}DeadlineReached",
        __base__=starts,
        __module__=starts.__module__,
        __doc__=f"The {name} that began with this {starts.__name__} has not ended in time.",
        __cls_kwargs__={"version": starts.declaration.version},
    )
    event.upcasters = starts.upcasters
    return event


def _camel(name: str) -> str:
    return "".join(part.capitalize() for part in name.split("_"))
