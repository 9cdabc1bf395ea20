"""A scenario: services run in a deterministic simulation, milliseconds a run, without a server.

scenario = Scenario(order.service, seat.service, my_page.service, seed=7)
scenario.given(Seat(seat_id=1, name="stalls", seats=3, free=3, created_at=scenario.now))
scenario.when(PlaceOrder(seat_id=1, quantity=2, customer="Ada")).run()
scenario.then(OrderConfirmed(order_id=1))
"""

import hashlib
import re
from collections.abc import Callable, Sequence
from datetime import timedelta
from typing import Any, NamedTuple, Self, TypeVar

import orjson
from starlette.responses import Response

from clinic_lib.commands import CommandEndpoint
from clinic_lib.crash_points import CrashPoint
from clinic_lib.delivery import Answer
from clinic_lib.idempotency import IdempotencyKey
from clinic_lib.messages import Command, Event
from clinic_lib.outbox import OutboxRow
from clinic_lib.problems import problem_of
from clinic_lib.rows import row_table
from clinic_lib.service import Service
from clinic_lib.testing.outcome import Outcome
from clinic_lib.testing.simulation.clock import Clock
from clinic_lib.testing.simulation.log import Log
from clinic_lib.testing.simulation.process import Process
from clinic_lib.testing.simulation.schedule import Calm, Faults, Schedule, Seeded
from clinic_lib.testing.simulation.store import MemoryStore, Store, needs_postgresql
from clinic_lib.testing.simulation.wiring import Wiring, wiring_of
from clinic_lib.testing.simulation.world import Asked, World

__all__ = ["Answered", "Scenario", "Written"]

OptionT = TypeVar("OptionT")

Stores = Callable[[Wiring, Clock], Store]
"""Makes a service's storage where memory can't be one."""

Errand = Command | Event | Callable[["Scenario"], Command | Event | None]

NO_ERRAND = (
    "is nothing that people do: give when() a command or an event, such as PlaceOrder(seat_id=1, quantity=2), or a "
    "function of the scenario that returns one, or None"
)


class Written(NamedTuple):
    """An event as an earlier version of its publisher wrote it."""

    event: type[Event]
    fields: dict[str, Any]
    version: int = 1


class Answered(NamedTuple):
    """What a request was answered; `body` is the JSON."""

    status: int
    body: Any
    location: str | None = None


class Scenario(Outcome):
    """Services on a log, tables and a clock of their own. One seed is one run; without one all goes in its turn.

    `stores` is needed by services that memory can't stand for, which it says: `Postgresql.store`.
    """

    def __init__(
        self,
        *services: Service,
        seed: int | None = None,
        schedule: Schedule | None = None,
        stores: Stores | None = None,
    ) -> None:
        if not services or len(set(services)) < len(services):
            raise ValueError(
                "a scenario needs services, each once: say Scenario(order.service, seat.service)"
            )
        self._clock, self._log = Clock(), Log()
        self._schedule = schedule or (Calm() if seed is None else Seeded(seed))
        processes = [self._process(wiring_of(each), stores) for each in services]
        super().__init__(World(processes, self._log, self._clock, self._schedule), seed)
        self._endpoints: dict[type[Command], tuple[Process, CommandEndpoint]] = {
            endpoint.command: (process, endpoint)
            for process in processes
            for endpoint in process.wiring.endpoints
        }

    def _process(self, wiring: Wiring, stores: Stores | None) -> Process:
        if not (needs := needs_postgresql(wiring)):
            return Process(wiring, MemoryStore(wiring.rows, self._clock), self._log, self._clock)
        if stores is None:
            raise ValueError(f"{needs}: say stores=Postgresql(url).store")
        return Process(wiring, stores(wiring, self._clock), self._log, self._clock)

    def faults(
        self,
        *,
        duplicate: int = 0,
        reorder: bool = False,
        crash_at: Sequence[CrashPoint] = (),
        drop: int = 0,
        delay: int = 0,
    ) -> Self:
        """What may go wrong from now on, and how often at most (`Faults`). Needs a seed to say when."""
        return self.suffer(Faults(duplicate, reorder, tuple(crash_at), drop, delay))

    def suffer(self, faults: Faults) -> Self:
        """As `faults`."""
        if isinstance(self._schedule, Calm) and faults != Faults():
            raise ValueError("without a seed nothing goes wrong: say Scenario(…, seed=1)")
        self._world.trouble.allow(faults)
        return self

    def given(self, *things: Any) -> Self:
        """Rows that are there, and events that stand in the log; `Written` for one of an earlier version."""
        for each in things:
            if isinstance(each, Event | Written):
                self._publish(each)
            else:
                self._put(each)
        return self

    def when(self, *errands: Errand) -> Self:
        """What people do while the system runs, one after another: send a command, or have an event published.

        A function is asked when its turn comes. A command to a process that died is sent again, under its key.
        Raises `TypeError` for anything else.
        """
        self._world.errands += [self._errand(each) for each in errands]
        return self

    def perhaps(self, *errands: Errand) -> Self:
        """As `when`, yet the schedule chooses which of them happen at all: none when it is calm."""
        return self.when(*(each for each in errands if self._schedule.choose(2)))

    def post(self, path: str, body: object = None) -> Answered:
        """Ask as over HTTP, at once, and return the answer."""
        for _, endpoint in self._endpoints.values():
            found = re.fullmatch(re.sub(r"{(\w+)}", r"(?P<\1>[1-9][0-9]*)", endpoint.path), path)
            if found is not None:
                values = {name: int(value) for name, value in found.groupdict().items()}
                command = endpoint.read(values, b"" if body is None else orjson.dumps(body))
                if isinstance(command, Response):
                    return _read(command)
                return _answered(self._send(self._new(command)).answer)
        return Answered(404, None)

    def run(self) -> Self:
        """Until the system is at rest. Deadlines that have not come yet are not waited for."""
        self._world.rest()
        return self

    def advance(self, **time: float) -> Self:
        """Run, then let time pass, as `minutes=16`: deadlines that come meanwhile are reached."""
        if timedelta(**time) < timedelta():
            raise ValueError("time only passes forwards: give advance() a positive time")
        self._world.rest()
        self._world.rest(self._clock.now() + timedelta(**time))
        self._world.rest()
        return self

    def redrive(self) -> Self:
        """Handle all dead letters again, as somebody does who has mended what was wrong."""
        for process in self.processes:
            for key in sorted({each["key"] for each in process.store.library("dead_letter") if each["key"]}):
                process.redrive(key)
        return self.run()

    def choose(self, *options: OptionT) -> OptionT:
        """One of these, by the schedule."""
        return options[self._schedule.choose(len(options))]

    def _put(self, row: Any) -> None:
        table = row_table(type(row))
        self._owner(type(row), None).store.put(table, table.image(row))

    def _publish(self, given: Event | Written) -> None:
        if isinstance(given, Event):
            given = Written(type(given), orjson.loads(given.model_dump_json()), given.declaration.version)
        declaration, message_id = given.event.declaration, self._clock.new_id()
        subject = str(given.fields[declaration.key])
        wire = {
            "specversion": "1.0",
            "id": str(message_id),
            "type": declaration.type,
            "source": "given",
            "time": self.now.isoformat(),
            "subject": subject,
            "correlationid": str(message_id),
            "dataversion": given.version,
            "data": given.fields,
        }
        row = OutboxRow(0, message_id, declaration.topic, subject, declaration.type, orjson.dumps(wire))
        self._log.append(row)

    def _errand(self, errand: Errand) -> Callable[[], bool]:
        if not isinstance(errand, Command | Event) and (isinstance(errand, type) or not callable(errand)):
            raise TypeError(f"{_shown(errand)} {NO_ERRAND}")
        asked: list[Asked] = []

        def run() -> bool:
            if not asked:
                thing = errand if isinstance(errand, Command | Event) else errand(self)
                if not isinstance(thing, Command | Event | None):
                    raise TypeError(f"{_shown(thing)}, which a function of when() returned, {NO_ERRAND}")
                if isinstance(thing, Event):
                    self._publish(thing)
                if not isinstance(thing, Command):
                    return True
                asked.append(self._new(thing))
            return self._send(asked[0]).answer is not None

        return run

    def _new(self, command: Command) -> Asked:
        if type(command) not in self._endpoints:
            raise ValueError(f"no service here takes {type(command).__name__}")
        body = command.model_dump_json().encode()
        key = IdempotencyKey(
            f"command-{len(self._asked) + 1}",
            self._endpoints[type(command)][1].path,
            hashlib.sha256(body).digest(),
        )
        asked = Asked(command, key)
        self._asked.append(asked)
        return asked

    def _send(self, asked: Asked) -> Asked:
        self._world.ask(asked, self._endpoints[type(asked.command)][0])
        return asked


def _shown(thing: object) -> str:
    return f"the class {thing.__name__}" if isinstance(thing, type) else repr(thing)


def _answered(answer: Answer | Exception | None) -> Answered:
    if isinstance(answer, Answer):
        return Answered(answer.status, orjson.loads(answer.body or b"null"), answer.location)
    return Answered(503, None) if answer is None else _read(problem_of(answer))


def _read(response: Response) -> Answered:
    return Answered(response.status_code, orjson.loads(bytes(response.body)))
