"""A process with some of a system's services in it, which a benchmark starts, asks and ends.

It serves them as `clinic_lib.server` does, under names of the run's own, so that it meets no other system on the
same Kafka; and it takes requests on standard input, a line of JSON each, which it answers on standard output.
"""

import asyncio
import importlib
import json
import logging
import os
import socket
import sys
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager, suppress
from dataclasses import asdict, dataclass, field, replace
from datetime import UTC, datetime
from itertools import count
from typing import Any

import psutil
import uvicorn
import uvloop

from clinic_lib import runtime as runtime_module
from clinic_lib import tracing
from clinic_lib.commands import CommandQueue
from clinic_lib.delivery import Answer, CommandDelivery, Commands
from clinic_lib.errors import UnavailableError
from clinic_lib.messages import Envelope, Event, new_message_id
from clinic_lib.otlp_encoding import Kind
from clinic_lib.rows import Rows
from clinic_lib.runtime import Runtime
from clinic_lib.service import Service
from clinic_lib.storage import NewIds
from tests.benchmarks.workload import QUANTITY, block_of, database_of, run_name

__all__ = ["Wanted", "Worker", "answer_requests"]

CONNECTIONS = 20
"""For commands that each commit by themselves: what the database's other end can do at once."""
KEEP_ALIVE_SECONDS = 60
"""For a client whose connections wait while others have their turns, or until everything is shown."""


@dataclass(frozen=True)
class Wanted:
    """What the process is to hold: modules with a `service` and an `app`, and ports for those that serve HTTP.

    `commits` says how commands are committed: by `group`, `each` by itself, or `none` at all.
    `long_texts` lifts the limit of the customer's name, which is what payloads are made larger by.
    """

    modules: tuple[str, ...]
    ports: dict[str, int] = field(default_factory=dict)
    settings: dict[str, str] = field(default_factory=dict)
    commits: str = "group"
    long_texts: bool = False

    def to_json(self) -> str:
        return json.dumps(asdict(self))


class Worker:
    """The services that run here. Each public method answers a request."""

    def __init__(self, runtimes: dict[str, Runtime]) -> None:
        self._runtimes = runtimes

    async def until_ready(self) -> None:
        while any(runtime.ready() for runtime in self._runtimes.values()):
            await asyncio.sleep(0.05)

    async def usage(self) -> dict[str, float]:
        """Seconds of CPU since the process began, and its memory now."""
        return {"cpu": time.process_time(), "memory": psutil.Process().memory_info().rss}

    async def place(self, first: int, last: int, records: int, size: int = 0) -> dict[str, float]:
        """Orders in groups of `records`: stands for commands that came over HTTP and were grouped."""
        runtime = self._runtimes["order"]
        (handler,) = (
            each for each in _service("services.reservation.order.app").handlers if each.name == "place"
        )
        command = handler.messages[0]
        for start in range(first, last, records):
            deliveries = [
                CommandDelivery(
                    command(
                        seat_id=block_of(n), quantity=QUANTITY, customer=f"customer {n}".ljust(size, "x")
                    ),
                    _envelope(),
                    (handler,),
                    None,
                )
                for n in range(start, min(start + records, last))
            ]
            await runtime.executor.run(Commands(deliveries))
        return await self.usage()


class EachCommits(CommandQueue):
    """Commands as most services carry them out: each in a transaction of its own, many at once."""

    def __init__(self, queue: CommandQueue) -> None:
        super().__init__(queue._executor, queue._limit)

    async def submit(self, delivery: CommandDelivery) -> Answer | Exception:
        await self._executor.run(Commands([delivery]))
        return delivery.answer or UnavailableError("the command was not carried out")


class NoneCommits(CommandQueue):
    """Commands without a database: what reading a request and writing its answer costs."""

    def __init__(self, queue: CommandQueue) -> None:
        super().__init__(queue._executor, queue._limit)
        self._ids = count(1)

    async def submit(self, delivery: CommandDelivery) -> Answer | Exception:
        (handler,) = delivery.handlers
        results = handler.function(delivery.message, NewIds([next(self._ids)]), delivery.envelope.time)
        assert delivery.respond
        return delivery.respond(results, Rows())


QUEUES: dict[str, Any] = {"each": EachCommits, "none": NoneCommits}


async def main(wanted: Wanted) -> None:
    """Serves until standard input ends."""
    logging.disable(
        logging.ERROR
    )  # Kafka's client complains while a broker is new; what ends a process is critical
    if wanted.long_texts:
        _lift_limits()
    _rename(wanted)
    os.environ.update(wanted.settings)
    if wanted.commits == "each":
        runtime_module.OWN_CONNECTIONS = CONNECTIONS
    async with AsyncExitStack() as stack:
        runtimes = {}
        for module in wanted.modules:
            name, service = _name(module), _service(module)
            os.environ |= {"DATABASE_URL": database_of(name), "ADMIN_PORT": "0"}
            app = importlib.import_module(module).app
            await stack.enter_async_context(app.router.lifespan_context(app))
            runtimes[name] = service._running()
            if queue := QUEUES.get(wanted.commits):
                runtimes[name].commands = queue(runtimes[name].commands)
            if port := wanted.ports.get(name):
                await stack.enter_async_context(_serving(app, port))
        worker = Worker(runtimes)
        await worker.until_ready()
        await answer_requests(worker)


async def answer_requests(worker: Worker) -> None:
    reader = asyncio.StreamReader(limit=2**20)
    await asyncio.get_running_loop().connect_read_pipe(
        lambda: asyncio.StreamReaderProtocol(reader), sys.stdin
    )
    print(json.dumps(await worker.usage()), flush=True)
    while line := await reader.readline():
        request = json.loads(line)
        print(json.dumps(await getattr(worker, request.pop("do"))(**request)), flush=True)


@asynccontextmanager
async def _serving(app: Any, port: int) -> AsyncIterator[None]:
    config = uvicorn.Config(
        app,
        lifespan="off",
        log_config=None,
        access_log=False,
        proxy_headers=False,
        backlog=2048,
        timeout_keep_alive=KEEP_ALIVE_SECONDS,
    )
    server = _Server(config)
    listener = socket.socket()
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)  # replicas share it
    listener.bind(("127.0.0.1", port))
    task = asyncio.create_task(server.serve([listener]))
    try:
        while not server.started:
            await asyncio.sleep(0.01)
        yield
    finally:
        server.should_exit = True
        with suppress(asyncio.CancelledError):
            await task


class _Server(uvicorn.Server):
    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        """The process ends with its standard input, and by signals as any other."""
        yield


def _lift_limits() -> None:
    """Before the app is imported, which makes its bodies of the command's fields."""
    contracts = importlib.import_module("services.reservation.contracts")
    domain = importlib.import_module("services.reservation.order.domain")
    for message in (contracts.OrderPlaced, domain.PlaceOrder):
        message.model_fields["customer"].metadata.clear()
        message.model_rebuild(force=True)


def _rename(wanted: Wanted) -> None:
    """Topics and consumer groups of this run alone."""
    for module in wanted.modules:
        service = _service(module)
        service.name = f"{service.name}_{run_name()}"
    for event in _events(Event):
        if "declaration" in vars(event):
            event.declaration = replace(event.declaration, topic=f"{event.declaration.topic}-{run_name()}")


def _events(event: type[Event]) -> Iterator[type[Event]]:
    for each in event.__subclasses__():
        yield each
        yield from _events(each)


def _service(module: str) -> Service:
    service: Service = importlib.import_module(module).service
    return service


def _name(module: str) -> str:
    """`order` of services.reservation.order.app: also of its database."""
    return module.split(".")[-2]


def _envelope() -> Envelope:
    """As that of a request, with its trace when it is sampled."""
    traceparent, span = tracing.enter(None, "POST /orders", Kind.SERVER)
    if span is not None:
        tracing.finish(span)
    message_id = new_message_id()
    return Envelope(message_id, datetime.now(UTC), "benchmark", message_id, traceparent=traceparent)


if __name__ == "__main__":
    given = json.loads(sys.argv[1])
    uvloop.run(main(Wanted(**{**given, "modules": tuple(given["modules"])})))
