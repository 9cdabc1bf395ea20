"""The outcome of a scenario: rows, events, sagas and dead letters, and the story of how it came to them."""

from collections.abc import Callable, Sequence
from datetime import datetime
from typing import Any, NamedTuple, Self, TypeVar

import orjson

from clinic_lib.messages import Command, Event
from clinic_lib.rows import row_table
from clinic_lib.saga import SagaState
from clinic_lib.testing.errors import InvariantError
from clinic_lib.testing.simulation.log import Log
from clinic_lib.testing.simulation.process import Process
from clinic_lib.testing.simulation.story import told
from clinic_lib.testing.simulation.world import Asked, World

__all__ = ["Letter", "Outcome", "Promise", "Refusal", "Standing"]

RowT = TypeVar("RowT")

Promise = Callable[[Any], object]
"""What has to hold of an outcome: it raises `AssertionError`, or returns False, when it does not."""


class Refusal(NamedTuple):
    """A command that was not carried out, and why."""

    command: Command
    error: Exception


class Standing(NamedTuple):
    """How an instance of a saga stands, in the service that owns it."""

    saga: str
    key: str
    state: SagaState
    deadline: datetime | None


class Letter(NamedTuple):
    """A dead letter of a service."""

    service: str
    state: str
    key: str | None
    type: str | None
    handler: str | None
    error: str | None


class Outcome:
    """What a system has come to, and how."""

    def __init__(self, world: World, seed: int | None) -> None:
        self._world = world
        self._seed = seed
        self._asked: list[Asked] = []

    def then(self, *expected: Any) -> Self:
        """These events happened, in this order, perhaps with others between; these rows stand so."""
        events = iter(self.events)
        for each in expected:
            if isinstance(each, Event):
                if not any(event == each for event in events):
                    self._break(f"{each!r} did not happen, or not in this order")
            else:
                table = row_table(type(each))
                if not any(table.image(row) == table.image(each) for row in self.rows(type(each))):
                    self._break(f"there is no {each!r}, but {self.rows(type(each))!r}")
        return self

    def check(self, *promises: Promise) -> Self:
        """Raises `InvariantError` with the story when one does not hold."""
        for each in promises:
            name = getattr(each, "__name__", str(each)).replace("_", " ")
            try:
                held = each(self)
            except AssertionError as exc:
                self._break(f"{name}: {exc}" if str(exc) else name)
            if held is False:
                self._break(name)
        return self

    @property
    def now(self) -> datetime:
        return self._world.clock.now()

    def rows(self, row: type[RowT], *, of: str | None = None) -> list[RowT]:
        """All rows of a class, in the order of their keys; `of` names the service where several have it."""
        table = row_table(row)
        return [table.make(tuple(image)) for image in self._owner(row, of).store.images(table)]

    @property
    def events(self) -> list[Event]:
        """What stands in the log, in its order; what was published again counts once. Notices are left out."""
        known = {name: event for each in self.processes for name, event in each.wiring.events.items()}
        found: dict[object, Event] = {}
        for record in self._world.log.records:
            if record.type in known and record.message_id not in found:
                wire = orjson.loads(record.value)
                data, version = orjson.dumps(wire["data"]), wire.get("dataversion", 1)
                found[record.message_id] = known[record.type].read(data, version)
        return list(found.values())

    @property
    def sagas(self) -> list[Standing]:
        """The instances of all services, in the order in which they began."""
        return [
            Standing(each["saga"], each["key"], _state(each), each["deadline_at"])
            for process in self.processes
            for each in sorted(process.store.library("saga"), key=lambda each: int(each["id"]))
        ]

    @property
    def dead_letters(self) -> list[Letter]:
        """Those of all services, in the order in which they are handled."""
        names = ("state", "key", "type", "handler", "error")
        return [
            Letter(process.name, *(each[name] for name in names))
            for process in self.processes
            for each in sorted(process.store.library("dead_letter"), key=lambda each: int(each["id"]))
        ]

    @property
    def refusals(self) -> list[Refusal]:
        return [Refusal(e.command, e.answer) for e in self._asked if isinstance(e.answer, Exception)]

    @property
    def processes(self) -> Sequence[Process]:
        """For promises that look deeper."""
        return self._world.processes

    @property
    def log(self) -> Log:
        """For promises that look deeper."""
        return self._world.log

    @property
    def story(self) -> list[str]:
        """All that happened, a line each."""
        return [str(each) for each in self._world.lines]

    def _break(self, what: str) -> None:
        __tracebackhide__ = True
        seed = "" if self._seed is None else f" (seed {self._seed})"
        raise InvariantError(told(self._world.lines, f"broken: {what.splitlines()[0]}{seed}"))

    def _owner(self, row: type, of: str | None) -> Process:
        found = [e for e in self.processes if row_table(row) in e.wiring.rows and of in (None, e.name)]
        if len(found) != 1:
            names = ", ".join(each.name for each in found) or "none"
            raise ValueError(f"{row.__name__} is a row of {names}: say which service by of=…")
        return found[0]


def _state(instance: dict[str, Any]) -> SagaState:
    state: SagaState = "stuck" if instance["stuck"] not in ({}, "{}") else instance["state"]
    return state
