"""Logs, and the points at which a test kills the process."""

import logging
import os
import signal
import sys
from collections import Counter as CounterOfNames
from collections.abc import Callable
from time import monotonic
from typing import Literal

import structlog

__all__ = ["CrashPoint", "configure_logging", "crash_point"]

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
on_crash_point: Callable[[CrashPoint], None] | None = None


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

    The chaos tests prove with it that nothing is lost between a commit and what follows it; a simulation does
    without signals, and is told by `on_crash_point`.
    """
    if on_crash_point is not None:
        on_crash_point(name)
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
