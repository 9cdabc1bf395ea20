"""Metrics (counted per batch, not per message), logs, and the points at which a test kills the process."""

import logging
import os
import signal
import sys
from collections import Counter as CounterOfNames
from time import monotonic, perf_counter
from typing import Literal

import structlog
from prometheus_client import Counter, Gauge, Histogram
from starlette.types import ASGIApp, Message, Receive, Scope, Send

__all__ = ["CrashPoint", "HttpMetrics", "configure_logging", "crash_point"]

CrashPoint = Literal[
    "before-commit",
    "after-commit",
    "after-publish",
    "before-offset-commit",
    "sweeper",
    "compensation",
    "deadline",
    "redrive",
]
CRASH_VARIABLE = "CLINIC_CRASH_POINT"

passed: CounterOfNames[str] = CounterOfNames()

BATCH_SIZES = (1, 2, 5, 10, 25, 50, 100, 250, 500, 1000)
SECONDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5)

executor_batch_records = Histogram(
    "clinic_executor_batch_records", "Messages in one transaction", ["service", "source"], buckets=BATCH_SIZES
)
executor_batch_seconds = Histogram(
    "clinic_executor_batch_seconds", "Duration of one transaction", ["service", "source"], buckets=SECONDS
)
executor_retries = Counter(
    "clinic_executor_retries_total", "Batches repeated after a transient error", ["service"]
)
consumer_skipped = Counter(
    "clinic_consumer_skipped_total", "Records of types nobody here handles", ["service"]
)
dead_letters = Counter("clinic_dead_letter_stored_total", "Letters stored, by state", ["service", "state"])
redriven = Counter("clinic_redrive_letters_total", "Dead letters that were tried again", ["service"])
sagas_started = Counter("clinic_saga_started_total", "Instances begun", ["service", "saga"])
sagas_ended = Counter("clinic_saga_ended_total", "Instances ended, by state", ["service", "saga", "state"])
sagas_overdue = Counter("clinic_saga_overdue_total", "Deadlines reached", ["service", "saga"])
sagas_stuck = Counter(
    "clinic_saga_stuck_total", "Notices of services that an instance is stuck in", ["service", "saga"]
)
relay_sent = Counter("clinic_relay_sent_total", "Events acknowledged by the broker", ["service"])
relay_swept = Counter(
    "clinic_relay_swept_total", "Outbox rows another process or run left behind", ["service"]
)
relay_pending = Gauge("clinic_relay_pending_rows", "Outbox rows in memory, not yet acknowledged", ["service"])
http_requests = Counter(
    "clinic_http_requests_total", "Requests answered", ["service", "method", "route", "status"]
)
http_seconds = Histogram(
    "clinic_http_request_seconds", "Duration of requests", ["service", "method", "route"], buckets=SECONDS
)


class HttpMetrics:
    """ASGI middleware: counts and times requests by the route's pattern, so labels stay bounded."""

    def __init__(self, app: ASGIApp, service: str) -> None:
        self._app = app
        self._service = service

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        started, status = perf_counter(), 500

        async def note_status(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
            await send(message)

        try:
            await self._app(scope, receive, note_status)
        finally:
            route = scope.get("route")
            labels = (self._service, scope["method"], getattr(route, "path", "none"))
            http_requests.labels(*labels, str(status)).inc()
            http_seconds.labels(*labels).observe(perf_counter() - started)


class _Seldom(logging.Filter):
    """The Kafka client says the same many times a second while a broker is away: once in ten seconds is enough."""

    def __init__(self) -> None:
        super().__init__()
        self._said: dict[tuple[str, str], float] = {}

    def filter(self, record: logging.LogRecord) -> bool:
        if not record.name.startswith("aiokafka"):
            return True
        key = (record.name, str(record.msg)[:40])
        if monotonic() - self._said.get(key, -10.0) < 10.0:
            return False
        self._said[key] = monotonic()
        return True


def _without_colours(
    logger: object, name: str, event: structlog.typing.EventDict
) -> structlog.typing.EventDict:
    """uvicorn repeats each line with its colours."""
    event.pop("color_message", None)
    return event


def crash_point(name: CrashPoint) -> None:
    """Die here as by `kill -9` when the environment's CLINIC_CRASH_POINT says so: `after-commit` the first time
    this is passed, `after-commit:7` the seventh.

    The chaos tests prove with it that nothing is lost between a commit and what follows it.
    """
    wanted, _, nth = os.environ.get(CRASH_VARIABLE, "").partition(":")
    if wanted != name:
        return
    passed[name] += 1
    if passed[name] >= int(nth or 1):
        os.kill(os.getpid(), signal.SIGKILL)


def configure_logging(level: str) -> None:
    """Readable lines in a terminal, JSON otherwise; the standard library's loggers go the same way.

    Raises nothing: an unknown level is refused by the settings before.
    """
    shared: list[structlog.typing.Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_log_level,
        structlog.stdlib.add_logger_name,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
    ]
    terminal = sys.stderr.isatty()
    renderer: structlog.typing.Processor = (
        structlog.dev.ConsoleRenderer() if terminal else structlog.processors.JSONRenderer()
    )
    handler = logging.StreamHandler()
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=[*shared, structlog.stdlib.ExtraAdder(), _without_colours],
            processors=[
                structlog.stdlib.ProcessorFormatter.remove_processors_meta,
                *([] if terminal else [structlog.processors.format_exc_info]),
                renderer,
            ],
        )
    )
    logging.basicConfig(level=level, handlers=[handler], force=True)
    for chatty in ("aiokafka", "alembic"):
        logging.getLogger(chatty).setLevel(max(logging.WARNING, logging.getLevelName(level)))
    handler.addFilter(_Seldom())
    structlog.configure(
        processors=[
            structlog.stdlib.filter_by_level,
            *shared,
            structlog.stdlib.ProcessorFormatter.wrap_for_formatter,
        ],
        logger_factory=structlog.stdlib.LoggerFactory(),
        cache_logger_on_first_use=True,
    )
