"""Logs: JSON, or readable in a terminal; each line says which message or request it belongs to.

Invariant: no line says what stands in a message, a row, a request's query or its body: that may be personal. So
an error is told by its class and its place in the code. Its text lies with the message, in the dead letter; at
the level DEBUG it is in the log, too.
"""

import logging
import sys
import traceback
from collections.abc import Iterator, Mapping
from contextvars import ContextVar
from time import monotonic
from types import TracebackType
from typing import Protocol, cast

import structlog
from aiokafka.errors import KafkaError
from structlog.typing import EventDict, Processor

from clinic_lib.errors import ConfigurationError, TransientError, UnavailableError, WiringError

__all__ = ["Subject", "configure_logging", "describe", "logger", "subject", "trace_fields", "unexpected"]

SAYS_NOTHING_PERSONAL = (
    ConfigurationError,
    TransientError,
    UnavailableError,
    WiringError,
    KafkaError,
    OSError,
    TimeoutError,
)
"""Errors of the surroundings, whose first line is told; what functions, drivers and validators say is not."""

HARMLESS_SQLSTATES = ("08", "28", "3D", "42", "53", "57")
"""Connection, password, database, privilege and syntax, resources, operator: nothing that stands in a row."""

SELDOM_SECONDS = 10.0
REPEATED = frozenset({"deadlines.fire_failed", "redrive.look_failed", "relay.sweep_failed"})
"""What is tried several times a second, and fails as long as the database is away."""

CHATTY = ("aiokafka", "alembic", "faststream", "urllib3")


class Subject(Protocol):
    """What a line can belong to: a message or a request."""

    def log_fields(self) -> Mapping[str, object]: ...


subject: ContextVar[Subject | None] = ContextVar("subject", default=None)
"""What is in hand. Setting it costs nothing to speak of; its fields are only asked for when a line is written."""


def logger(name: str) -> structlog.stdlib.BoundLogger:
    """A module's logger: an event, `<module>.<what>`, and facts by their names; over the standard library's."""
    bound = structlog.wrap_logger(
        logging.getLogger(name),
        processors=[structlog.stdlib.filter_by_level, structlog.stdlib.render_to_log_kwargs],
        wrapper_class=structlog.stdlib.BoundLogger,
    )
    return cast("structlog.stdlib.BoundLogger", bound)


def describe(error: BaseException) -> str:
    """An error in one line that holds nothing personal: its class, and its text where that is known to be harmless.

    A database's says its SQLSTATE and the constraint, never the values.
    """
    name = type(error).__name__
    state = getattr(error, "sqlstate", None)
    if isinstance(error, SAYS_NOTHING_PERSONAL) or str(state).startswith(HARMLESS_SQLSTATES):
        text = str(error).partition("\n")[0]
        return f"{name}: {text}" if text else name
    facts = [str(fact) for fact in (state, _constraint(error)) if fact]
    return f"{name} ({', '.join(facts)})" if facts else name


def unexpected(error: BaseException) -> bool:
    """Whether its place in the code is worth a look; trouble of the surroundings has none."""
    return not isinstance(error, SAYS_NOTHING_PERSONAL)


def _constraint(error: BaseException) -> str | None:
    found = getattr(error, "constraint_name", None)
    return found if isinstance(found, str) else None


def trace_fields(traceparent: str | None) -> dict[str, object]:
    """The ids of a W3C trace context; nothing without one."""
    return {"trace_id": traceparent[3:35], "span_id": traceparent[36:52]} if traceparent else {}


def configure_logging(level: str) -> None:
    """Readable lines in a terminal, JSON otherwise; all libraries' loggers go the same way.

    Raises nothing: an unknown level is refused by the settings before.
    """
    terminal = sys.stderr.isatty()
    render: Processor = structlog.dev.ConsoleRenderer() if terminal else structlog.processors.JSONRenderer()
    errors: Processor = structlog.processors.format_exc_info if level == "DEBUG" else _place_of_error
    handler = logging.StreamHandler()
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=[
                _belongs_to,
                structlog.stdlib.add_log_level,
                structlog.stdlib.add_logger_name,
                structlog.stdlib.ExtraAdder(),
                structlog.processors.TimeStamper(fmt="iso", utc=True),
                _without_colours,
            ],
            processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, errors, render],
        )
    )
    handler.addFilter(_Seldom())
    logging.basicConfig(level=level, handlers=[handler], force=True)
    for chatty in CHATTY:
        logging.getLogger(chatty).setLevel(max(logging.WARNING, logging.getLevelName(level)))


def _belongs_to(logger: object, name: str, event: EventDict) -> EventDict:
    """A line's own facts win over those of what is in hand."""
    if (current := subject.get()) is not None:
        for field, value in current.log_fields().items():
            event.setdefault(field, value)
    return event


def _without_colours(logger: object, name: str, event: EventDict) -> EventDict:
    """uvicorn repeats each line with its colours."""
    event.pop("color_message", None)
    return event


def _place_of_error(logger: object, name: str, event: EventDict) -> EventDict:
    """Where an error was raised and what it goes back to, without what it says."""
    given = event.pop("exc_info", None)
    error = given if isinstance(given, BaseException) else (given or (None, None))[1]
    if error is not None:
        event["exception"] = "\n".join(_lines(error, set()))
    return event


def _lines(error: BaseException, seen: set[int]) -> Iterator[str]:
    seen.add(id(error))
    cause = error.__cause__ or (None if error.__suppress_context__ else error.__context__)
    if cause is not None and id(cause) not in seen:
        yield from _lines(cause, seen)
        yield "which led to"
    yield from _frames(error.__traceback__)
    yield describe(error)
    if isinstance(error, BaseExceptionGroup):
        for each in error.exceptions:
            yield from _lines(each, seen)


def _frames(trace: TracebackType | None) -> Iterator[str]:
    for frame in traceback.extract_tb(trace):
        yield f"  {frame.filename}:{frame.lineno} in {frame.name}"


class _Seldom(logging.Filter):
    """While a server is away the same is said many times a second, by the Kafka client too: once in ten seconds is
    enough.
    """

    def __init__(self) -> None:
        super().__init__()
        self._said: dict[tuple[str, str, str], float] = {}

    def filter(self, record: logging.LogRecord) -> bool:
        if not record.name.startswith("aiokafka") and record.msg not in REPEATED:
            return True
        key = (record.name, str(record.msg)[:40], getattr(record, "error", "")[:40])
        if monotonic() - self._said.get(key, -SELDOM_SECONDS) < SELDOM_SECONDS:
            return False
        self._said[key] = monotonic()
        return True
