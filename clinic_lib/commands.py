"""HTTP commands: a POST becomes a command, waits for its group's commit and is answered.

Commands that arrive while a commit is under way go together in the next transaction, each with its own answer.
"""

import asyncio
import hashlib
import re
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Any

from pydantic import ValidationError, create_model
from starlette.requests import Request
from starlette.responses import Response

from clinic_lib import metrics
from clinic_lib.bodies import invalid, read_body, validate_body
from clinic_lib.delivery import Answer, CommandDelivery, Commands
from clinic_lib.errors import CommandError, InvalidError, TransientError, UnavailableError, WiringError
from clinic_lib.executor import Executor
from clinic_lib.handlers import Handler, Load
from clinic_lib.http_trace import traceparent_of
from clinic_lib.idempotency import IdempotencyKey
from clinic_lib.logs import logger, subject
from clinic_lib.messages import Command, Envelope, new_message_id
from clinic_lib.problems import problem, problem_of
from clinic_lib.queries import Query, ResourceId
from clinic_lib.rows import row_table

__all__ = ["CommandEndpoint", "CommandQueue"]

log = logger(__name__)

GROUP = 500
ATTEMPTS = 3
IDEMPOTENCY_KEY = re.compile(r"[\x21-\x7e]{1,255}")


class CommandQueue:
    """Groups commands: one transaction at a time, all that waited meanwhile in the next. `refuses` says why none
    can be taken now.
    """

    def __init__(
        self, executor: Executor, waiting: int, refuses: Callable[[], str | None] = lambda: None
    ) -> None:
        self._executor = executor
        self._refuses = refuses
        self._limit = waiting
        self._waiting: list[tuple[CommandDelivery, asyncio.Future[None]]] = []
        self._arrived = asyncio.Event()
        self._task: asyncio.Task[None] | None = None
        self._in_hand = False
        metrics.command_waiting.labels(executor.service).set_function(lambda: len(self._waiting))

    def start(self) -> None:
        self._task = asyncio.create_task(self._run())

    async def drain(self) -> None:
        """Return when all that waits is carried out."""
        while self._waiting or self._in_hand:
            await asyncio.sleep(0.01)

    async def stop(self) -> None:
        """Refuse what still waits."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)
        while self._waiting:
            self._refuse(self._take(), UnavailableError("the service is stopping"))

    @property
    def service(self) -> str:
        return self._executor.service

    def admit(self) -> None:
        """Raises `UnavailableError` when no command can be taken now."""
        if reason := self._refuses():
            raise UnavailableError(reason)

    async def submit(self, delivery: CommandDelivery) -> Answer | Exception:
        """Have a command carried out. Raises `UnavailableError` when too many wait already."""
        if len(self._waiting) >= self._limit:
            raise UnavailableError(f"{self._limit} commands wait already")
        done: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiting.append((delivery, done))
        self._arrived.set()
        # the command goes on when its client goes away: its answer may be kept under an idempotency key
        await asyncio.shield(done)
        return delivery.answer or UnavailableError("the command was not carried out")

    def _take(self) -> list[tuple[CommandDelivery, asyncio.Future[None]]]:
        taken, self._waiting = self._waiting[:GROUP], self._waiting[GROUP:]
        if not self._waiting:
            self._arrived.clear()
        return taken

    async def _run(self) -> None:
        while True:
            await self._arrived.wait()
            group = self._take()
            self._in_hand = True
            try:
                await self._carry_out([delivery for delivery, _ in group])
            except TransientError:
                self._refuse(group, UnavailableError("the database can't be reached"))
            except Exception as exc:
                log.exception("commands.group_failed")
                self._refuse(group, exc)
            except asyncio.CancelledError:
                self._refuse(group, UnavailableError("the service is stopping"))
                raise
            self._in_hand = False
            for _, done in group:
                if not done.done():
                    done.set_result(None)

    async def _carry_out(self, deliveries: list[CommandDelivery]) -> None:
        """Repeat what failed in passing, never what was committed: a POST has no inbox that would notice."""
        work = Commands(deliveries)
        for attempt in range(1, ATTEMPTS + 1):
            try:
                await self._executor.run(work)
                return
            except TransientError:
                await self._executor.settle(deliveries)
                work = Commands([each for each in deliveries if not each.settled])
                if not work.deliveries:
                    return
                if attempt == ATTEMPTS:
                    raise
                metrics.executor_retries.labels(self._executor.service).inc()

    def _refuse(self, group: list[tuple[CommandDelivery, asyncio.Future[None]]], error: Exception) -> None:
        for delivery, done in group:
            if not delivery.settled:
                delivery.answer = error
            if not done.done():
                done.set_result(None)


class CommandEndpoint:
    """One command's route: reads the request, submits the command, writes the answer.

    Raises `WiringError` when nothing says which saga the command's events belong to.
    """

    def __init__(self, handler: Handler, path: str, query: Query | None) -> None:
        self.handler = handler
        self.path = path
        self.query = query
        if len(handler.messages) > 1:
            raise WiringError(f"{handler.name}: a route carries one command, not a union", handler.function)
        self.command: type[Command] = handler.messages[0]
        self.path_fields = tuple(re.findall(r"{(\w+)}", path))
        fields: dict[str, Any] = {
            name: (field.annotation if not field.metadata else field.rebuild_annotation(), field)
            for name, field in self.command.model_fields.items()
            if name not in self.path_fields
        }
        self.body: type[Command] = create_model(self.command.__name__, __base__=Command, **fields)
        self.body_required = any(field.is_required() for field in self.body.model_fields.values())
        self.key_field, self.key_load = _key_of(handler)

    @property
    def creates(self) -> bool:
        """Whether the answer is a new resource: 201 and its address."""
        return self.query is not None and self.query.table.row in self.handler.rows

    async def handle(self, request: Request, queue: CommandQueue) -> Response:
        answer: Answer | Exception
        try:
            queue.admit()
            delivery = await self._delivery(request)
            if isinstance(delivery, Response):
                return delivery
            subject.set(delivery)
            answer = await queue.submit(delivery)
        except CommandError as exc:
            answer = exc
        if isinstance(answer, Exception):
            if isinstance(answer, UnavailableError):
                metrics.command_rejected.labels(queue.service).inc()
            return problem_of(answer)
        headers = {"Location": answer.location} if answer.location else {}
        kind = "application/json" if answer.status < 400 else "application/problem+json"
        return Response(answer.body, answer.status, headers, media_type=kind)

    async def _delivery(self, request: Request) -> CommandDelivery | Response:
        path_values: dict[str, int] = {}
        for name in self.path_fields:
            value = ResourceId.parse(request.path_params[name])
            if value is None:
                return problem(404, f"there is nothing at {request.url.path}")
            path_values[name] = value
        body = await read_body(request)
        if isinstance(body, Response):
            return body
        if body or self.body_required:
            kind = request.headers.get("content-type", "").split(";")[0].strip().lower()
            if kind != "application/json":
                return problem(415, "the body must be application/json")
        command = self.read(path_values, body)
        if isinstance(command, Response):
            return command
        return self.delivery(command, _envelope(request), _idempotency_key(request, body))

    def read(self, path_values: Mapping[str, int], body: bytes) -> Command | Response:
        """The command that a path and a body are together, or what is wrong with them."""
        given = validate_body(self.body, body if body or self.body_required else b"{}")
        if isinstance(given, Response):
            return given
        try:
            return self.command.model_validate({**path_values, **dict(given)})
        except ValidationError as exc:  # by a validator that the author gave the command
            return problem_of(invalid(exc))

    def delivery(
        self, command: Command, envelope: Envelope, idempotency: IdempotencyKey | None = None
    ) -> CommandDelivery:
        """A command as the executor carries it out."""
        return CommandDelivery(
            command,
            envelope,
            (self.handler,),
            key=self._key(command),
            respond=self._respond(command),
            key_field=self.key_field,
            key_load=self.key_load,
            idempotency=idempotency,
        )

    def _key(self, command: Command) -> str | None:
        if self.key_field in self.command.model_fields:
            return f"{self.key_field}:{getattr(command, self.key_field or '')}"
        return None

    def _respond(self, command: Command) -> Any:
        query = self.query
        if query is None:
            return lambda results, rows: Answer(204, b"")
        return lambda results, rows: query.answer(command, results, rows)


def _key_of(handler: Handler) -> tuple[str | None, Load | None]:
    """The field with the saga's id, and the row that knows it when the command does not carry it."""
    event = next(iter(handler.events), None)
    if event is None:
        return None, None
    field = event.declaration.key
    if field in handler.messages[0].model_fields:
        return field, None
    for parameter in handler.parameters:
        load = None if parameter.optional or parameter.role != "row" else parameter.load
        if load is not None and field in row_table(load.row).names:
            return field, load
    if not handler.new_ids:
        raise WiringError(
            f"{handler.name}: which {field} its {event.__name__} is about, neither the command nor a row says",
            handler.function,
        )
    return field, None


def _envelope(request: Request) -> Envelope:
    message_id = new_message_id()
    return Envelope(
        message_id,
        datetime.now(UTC),
        source="http",
        correlation_id=message_id,
        traceparent=traceparent_of(request.scope),
    )


def _idempotency_key(request: Request, body: bytes) -> IdempotencyKey | None:
    """Raises `InvalidError` for a key that is none."""
    key = request.headers.get("idempotency-key")
    if key is None:
        return None
    if not IDEMPOTENCY_KEY.fullmatch(key):
        raise InvalidError("Idempotency-Key: 1 to 255 visible ASCII characters")
    return IdempotencyKey(key, request.url.path, hashlib.sha256(body).digest())
