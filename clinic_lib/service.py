"""A service: what its author declares, checked at import, and served as an ASGI app.

```python
service = Service("seat", system="reservation")
@service.step
def reserve(event: OrderPlaced, seat: Seat) -> SeatsReserved | SeatsRefused: ...
app = service.asgi()
```
"""

import re
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import timedelta
from typing import Any, TypeVar, overload

from faststream.kafka import KafkaBroker, KafkaRouter
from sqlalchemy import MetaData
from sqlalchemy.orm import InstrumentedAttribute
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route

from clinic_lib import documents
from clinic_lib.admin import admin_server
from clinic_lib.commands import CommandEndpoint
from clinic_lib.declarations import Declarations
from clinic_lib.errors import WiringError
from clinic_lib.handlers import Function, Handler, Kind, inspect_handler
from clinic_lib.http_metrics import HttpMetrics, expect_requests
from clinic_lib.http_trace import TraceRequests
from clinic_lib.ledger import Sagas
from clinic_lib.logs import configure_logging
from clinic_lib.problems import http_exception, server_error
from clinic_lib.queries import Query, resource_row
from clinic_lib.row_gauge import RowGauge
from clinic_lib.rows import row_table
from clinic_lib.runtime import Runtime
from clinic_lib.saga import Saga
from clinic_lib.settings import ServiceSettings, load_settings
from clinic_lib.storage import View
from clinic_lib.tracing import tracing

__all__ = ["Service"]

FunctionT = TypeVar("FunctionT", bound=Callable[..., Any])


class Service(Declarations):
    """Typed functions and what binds them: each method registers one and returns it unchanged.

    `name` is the consumer group, the metric label and the Kubernetes name. `kafka` is a FastStream router for
    subscribers of one's own, beside the functions. Every method raises `WiringError`,
    with the function's place, for a signature that can't work.
    """

    def __init__(self, name: str, *, system: str) -> None:
        super().__init__(name, system)
        self.handlers: list[Handler] = []
        self.queries: list[Query] = []
        self.sagas: list[Saga] = []
        self.gauges: list[RowGauge] = []
        self.kafka = KafkaRouter()
        self._commands: list[tuple[Handler, str]] = []
        self._routes: list[BaseRoute] = []
        self._runtime: Runtime | None = None

    def step(self, function: FunctionT) -> FunctionT:
        """Handle an event: change rows, answer with events."""
        return self._register("step", function)

    def projection(self, function: FunctionT) -> FunctionT:
        """Fold an event into a row of a view; answers with no event."""
        return self._register("projection", function)

    def compensation(self, step: Function) -> Callable[[FunctionT], FunctionT]:
        """Undo what `step` did in this saga: once a run, latest first, given what it answered (`done`)."""
        compensated = self._find(step)

        def register(function: FunctionT) -> FunctionT:
            return self._register("compensation", function, compensated)

        return register

    def saga(self, saga: Saga, *, restorable: bool = False) -> None:
        """Own a saga: know how each instance stands. The service that publishes its start does.

        `restorable`: its functions bear that its database is set back to an earlier time; `clinic check` looks.
        """
        if any(each.name == saga.name for each in self.sagas):
            raise WiringError(f"service {self.name} has two sagas named {saga.name}", saga.starts)
        self.sagas.append(saga)
        if restorable:
            self.restorable.append(saga)

    def deadline(self, saga: Saga) -> Callable[[FunctionT], FunctionT]:
        """Decide what becomes of an instance that has not ended in time, given the event that began it.

        It is not called for one that ended meanwhile; without such a function it stays overdue until it ends.
        """

        def register(function: FunctionT) -> FunctionT:
            handler = inspect_handler("deadline", function)
            if saga not in self.sagas or saga.deadline is None or handler.messages != (saga.starts,):
                raise WiringError(
                    f"{function.__name__} decides at the deadline of {saga.name}: say service.saga({saga.name}) "
                    f"before, give the saga a deadline, and take {saga.starts.__name__} first",
                    function,
                )
            if any(saga.deadline_reached in each.messages for each in self.handlers):
                raise WiringError(
                    f"{function.__name__}: {saga.name} has a function for its deadline", function
                )
            self._add(replace(handler, messages=(saga.deadline_reached,)))
            return function

        return register

    def command(self, method: str, path: str) -> Callable[[FunctionT], FunctionT]:
        """Carry out a request: path parameters and body fields together are the command's fields."""

        def register(function: FunctionT) -> FunctionT:
            if method != "POST":
                raise WiringError(f"{function.__name__}: a command is a POST, not a {method}", function)
            self._register("command", function)
            handler = self.handlers[-1]
            fields = handler.messages[0].model_fields
            for name in re.findall(r"{(\w+)}", path):
                if name not in fields:
                    raise WiringError(
                        f"{function.__name__}: its command has no field {name}, as its path", function
                    )
            self._commands.append((handler, path))
            return function

        return register

    @overload
    def query(self, path: str) -> Callable[[FunctionT], FunctionT]: ...
    @overload
    def query(
        self, path: str, row: type, *, view: type[View] | None = None, filters: Sequence[str] = ()
    ) -> None: ...
    def query(
        self,
        path: str,
        row: type | None = None,
        *,
        view: type[View] | None = None,
        filters: Sequence[str] = (),
    ) -> Callable[[FunctionT], FunctionT] | None:
        """Serve a row: the collection, newest first and paged, and one by its id.

        Over a function, the first parameter is the row and its answer the view.
        """
        if row is not None:
            self.queries.append(Query.of_row(path, row, view, filters))
            return None

        def register(function: FunctionT) -> FunctionT:
            first = next(iter(function.__annotations__.values()), None)
            if first is None or not resource_row(first):
                raise WiringError(
                    f"query {path}: the first parameter of {function.__name__} is the row", function
                )
            self.queries.append(Query(path, first, function, filters))
            return function

        return register

    def gauge(self, column: InstrumentedAttribute[Any]) -> None:
        """Have a table's rows counted by this column's value: `service.gauge(Order.status)` in `clinic_view_rows`."""
        self.gauges.append(RowGauge.of(column))

    def route(self, route: BaseRoute) -> None:
        """Add any Starlette route to the public port."""
        self._routes.append(route)

    def asgi(self) -> Starlette:
        """The public app; its lifespan runs the consumer, the relay and the admin port."""
        endpoints = self.endpoints()
        published = {event for handler in self.handlers for event in handler.events}
        for saga in self.sagas:
            if saga.starts not in published:
                raise WiringError(
                    f"service {self.name} owns the saga {saga.name}, but no function publishes its start",
                    saga.starts,
                )
        openapi, asyncapi = documents.openapi(self, endpoints), documents.asyncapi(self)
        app = Starlette(
            routes=[
                *(Route(query.path, self._serve_many(query)) for query in self.queries),
                *(Route(query.path + "/{id}", self._serve_one(query)) for query in self.queries),
                *(Route(each.path, self._serve_command(each), methods=["POST"]) for each in endpoints),
                documents.route("/openapi.json", openapi),
                documents.route("/asyncapi.json", asyncapi),
                *self._routes,
            ],
            exception_handlers={HTTPException: http_exception, Exception: server_error},
            lifespan=self._lifespan,
        )
        app.state.service, app.state.documents = self, {"openapi": openapi, "asyncapi": asyncapi}
        app.router.redirect_slashes = False
        app.add_middleware(HttpMetrics, service=self.name)
        app.add_middleware(TraceRequests)
        return app

    @property
    def tables(self) -> list[MetaData]:
        """The metadata of all rows that the functions and queries name."""
        rows = [load.row for handler in self.handlers for load in handler.loads]
        rows += [row for handler in self.handlers for row in (*handler.rows, *handler.new_ids)]
        rows += [query.table.row for query in self.queries] + [each.table.row for each in self.gauges]
        return list(dict.fromkeys(row_table(row).table.metadata for row in rows))

    def owned_sagas(self, deadline: timedelta | None = None) -> Sagas:
        """The sagas that the service owns, with `deadline` in place of each one's own when it is given."""
        decided = {event for each in self.handlers if each.kind == "deadline" for event in each.messages}
        return Sagas(self.sagas, decided, deadline)

    @asynccontextmanager
    async def _lifespan(self, app: Starlette) -> AsyncIterator[None]:
        settings = load_settings(ServiceSettings)
        configure_logging(settings.log_level)
        broker = KafkaBroker(
            settings.kafka_bootstrap_servers, security=settings.kafka_security(), logger=None
        )
        broker.include_router(self.kafka)
        expect_requests(self.name, ((r.path, r.methods or ()) for r in app.routes if isinstance(r, Route)))
        runtime = self._runtime = Runtime(self, settings, broker)
        admin = admin_server(settings, ready=runtime.ready, routes=runtime.admin_routes())
        async with tracing(self.name), admin:
            await runtime.start()
            try:
                yield
            finally:
                await runtime.stop()

    def _register(self, kind: Kind, function: FunctionT, compensates: Handler | None = None) -> FunctionT:
        self._add(inspect_handler(kind, function, compensates))
        return function

    def _add(self, handler: Handler) -> None:
        if any(each.name == handler.name for each in self.handlers):
            raise WiringError(f"service {self.name} has two functions named {handler.name}", handler.function)
        self.handlers.append(handler)

    def _find(self, step: Function) -> Handler:
        for handler in self.handlers:
            if handler.function is step and handler.kind in ("step", "command"):
                return handler
        raise WiringError(
            f"{step.__name__} is no step of {self.name}: register it before its compensation", step
        )

    def _query_of(self, handler: Handler) -> Query | None:
        """What a command is answered with: the view of a row it makes, else of the row it is about."""
        for rows in (handler.rows, [p.row for p in handler.parameters if p.role == "row"]):
            for query in self.queries:
                if query.table.row in rows:
                    return query
        return None

    def endpoints(self) -> list[CommandEndpoint]:
        """The commands' routes; what an answer's view needs is loaded with what the function asks for."""
        endpoints = []
        for declared, path in self._commands:
            query = self._query_of(declared)
            handler = replace(declared, extra_loads=query.loads_of_answer(declared) if query else ())
            self.handlers = [handler if each.name == declared.name else each for each in self.handlers]
            endpoints.append(CommandEndpoint(handler, path, query))
        return endpoints

    def _serve_many(self, query: Query) -> Callable[[Request], Any]:
        async def many(request: Request) -> Response:
            return await query.many(request, self._running().reads)

        return many

    def _serve_one(self, query: Query) -> Callable[[Request], Any]:
        async def one(request: Request) -> Response:
            return await query.one(request, self._running().reads)

        return one

    def _serve_command(self, endpoint: CommandEndpoint) -> Callable[[Request], Any]:
        async def command(request: Request) -> Response:
            return await endpoint.handle(request, self._running().commands)

        return command

    def _running(self) -> Runtime:
        if self._runtime is None:
            raise RuntimeError("the app is served without its lifespan")
        return self._runtime
