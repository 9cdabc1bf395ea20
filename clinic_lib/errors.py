"""All errors of the library.

ClinicError
├── WiringError              a declaration is wrong: raised at import
├── ConfigurationError       a setting is missing or wrong: raised at start
├── CommandError             a command was not carried out
│   ├── Refused              a rule of the domain forbids it now           409
│   ├── NotFoundError        what it names does not exist                  404
│   ├── InvalidError         well-formed, but a field is wrong             422
│   ├── EventTooLargeError   it would cause an event no broker takes       413
│   └── UnavailableError     the database is down, or too much waits       503
├── MalformedRecordError     a Kafka record that is no event of ours
└── TransientError           worth repeating: the database or Kafka was away
"""

import inspect
from collections.abc import Callable
from traceback import FrameSummary
from typing import Any

__all__ = [
    "ClinicError",
    "CommandError",
    "ConfigurationError",
    "EventTooLargeError",
    "InvalidError",
    "MalformedRecordError",
    "NotFoundError",
    "Refused",
    "TransientError",
    "UnavailableError",
    "WiringError",
]


class ClinicError(Exception):
    """Base of all errors of the library."""


class WiringError(ClinicError):
    """A declaration contradicts itself or another one; says where it stands.

    Raised while the service's module is imported, so that a wrong service never starts.
    """

    def __init__(self, what: str, where: Callable[..., Any] | type | FrameSummary) -> None:
        super().__init__(f"{what} ({_place(where)})")


def _place(where: Callable[..., Any] | type | FrameSummary) -> str:
    if isinstance(where, FrameSummary):
        return f"{where.filename}:{where.lineno}"
    try:
        return f"{inspect.getsourcefile(where)}:{inspect.getsourcelines(where)[1]}"
    except (OSError, TypeError):
        return f"{where.__module__}.{where.__qualname__}"


class ConfigurationError(ClinicError):
    """A setting is missing or wrong; the message names it and says what to do."""


class CommandError(ClinicError):
    """A command was not carried out and changed nothing."""

    status = 500

    def __init__(self, detail: str) -> None:
        super().__init__(detail)
        self.detail = detail


class Refused(CommandError):  # noqa: N818 - what a domain says: raise Refused("…")
    """Raised by a command's function when a rule of the domain forbids it now: say which."""

    status = 409


class NotFoundError(CommandError):
    """The row a command or query names does not exist."""

    status = 404


class InvalidError(CommandError):
    """Well-formed JSON that breaks the command's model; `errors` lists each field."""

    status = 422

    def __init__(self, detail: str, errors: list[dict[str, str]] | None = None) -> None:
        super().__init__(detail)
        self.errors = errors or []


class EventTooLargeError(CommandError):
    """An event would be larger than the broker takes; raised before anything is stored."""

    status = 413


class UnavailableError(CommandError):
    """The database can't be reached or too many commands wait; try again after `retry_after` seconds."""

    status = 503

    def __init__(self, detail: str, retry_after: int = 1) -> None:
        super().__init__(detail)
        self.retry_after = retry_after


class MalformedRecordError(ClinicError):
    """A Kafka record without the headers, key or value that an event of ours has."""


class TransientError(ClinicError):
    """Trouble that passes by itself (connection, deadlock, restart): the same work is repeated."""
