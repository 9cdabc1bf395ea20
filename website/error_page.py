"""docs/errors.md, made from the code: `python -m website.error_page` writes it anew.

Which statuses and errors there are stands in the code; what to do about each stands here, and an error that has no
such line fails the tests.
"""
# ruff: noqa: E501 - sentences of tables, a line each

import ast
import importlib
import inspect
from collections.abc import Iterator
from http import HTTPStatus
from pathlib import Path
from typing import TypeVar

from clinic_lib.errors import ClinicError, CommandError
from clinic_lib.problems import TITLES

__all__ = ["ADVICE", "PAGE", "STATUSES", "errors", "page", "statuses"]

ErrorT = TypeVar("ErrorT", bound=ClinicError)

ROOT = Path(__file__).parents[1]
PAGE = ROOT / "docs" / "errors.md"
CODE = ("clinic_lib", "services/gateway")
BY_STARLETTE = (404, 405)
"""Answered by `clinic_lib.problems.http_exception` for paths and methods that nobody declared."""

STATUSES = {
    400: ("The body is no JSON, or ended before it was whole.", "Send JSON, and all of it."),
    401: (
        "A call of the admin port without the right token.",
        "Say `Authorization: Bearer ` and the service's `ADMIN_TOKEN`; a service that has none lets nobody in.",
    ),
    404: (
        "There is no such path, or no row of that id.",
        "Look at the path and the id; `/openapi.json` lists the paths. A moment after a POST elsewhere, ask again: the event may be on its way.",
    ),
    405: ("The path exists, but not with this method.", "A command is a POST, a query a GET."),
    409: (
        "A rule of the domain forbids it now; `detail` says which.",
        "Don't repeat it as it is: look how things stand, and decide anew.",
    ),
    413: (
        "The body has more than 1 MiB, or the event it would cause is larger than the broker takes.",
        "Send less. Nothing was stored.",
    ),
    415: ("The body is not `application/json`.", "Say `content-type: application/json`."),
    422: (
        "Well-formed, but a field is missing, wrong, or not known; `errors` lists each. Or an `Idempotency-Key` came with another body.",
        "Mend the fields that `errors` names; use a new key for a new request.",
    ),
    500: (
        "A function raised, or the library has a fault. Nothing was stored; the traceback is in the service's log.",
        "Tell whoever runs the service; the same request fails again until its code is mended.",
    ),
    503: (
        "The database or the service behind the gateway is down, too much waits, or the process ends.",
        "Wait for the seconds in `Retry-After`, then send it again; with an `Idempotency-Key` that is safe for every POST.",
    ),
}
"""By status: what it means, and what a client does."""

ADVICE = {
    "ClinicError": "Catch it to catch them all.",
    "WiringError": "Mend the declaration at the file and line that it names; the service does not start before.",
    "ConfigurationError": "Set the variable that it names, as [operations](operations.md#settings) lists them, and start again.",
    "CommandError": "Raise one of its kinds, not itself.",
    "Refused": "Raise it in a command's function, with the reason as a sentence for the client.",
    "NotFoundError": "Raised for you when a function asks for a row that is not there; say `Row | None` to be called all the same.",
    "InvalidError": "Raised for you when a request does not fit the command; raise it for what types can't say.",
    "EventTooLargeError": "Put less into the event, or a reference in place of the content; `LARGEST_EVENT_BYTES` is the limit.",
    "UnavailableError": "Look at PostgreSQL, and at `WAITING_COMMANDS` when it is well; the service goes on by itself.",
    "MalformedRecordError": "Somebody else wrote into the topic, or an old version can't be read: it is a dead letter, see [a saga is stuck](stuck-saga.md).",
    "TransientError": "Nothing: the work is repeated until it succeeds. When it lasts, look at PostgreSQL and Kafka.",
    "StackError": "The message says it: a port that is taken, a name that is unknown, a registry that can't be reached.",
    "OperateError": "The message says it.",
    "DownError": "Start the service that it names, or name its admin port by `--admin`.",
    "NotThereError": "List what there is: `clinic sagas list`, `clinic dead-letters list`.",
    "LookError": "The message says it: write the system, the service or the file as it is named in `pyproject.toml`.",
    "ScaffoldError": "The message says it; nothing was written.",
    "UnexpectedFileError": "Put the row that it prints into the file that it names, then run the command again.",
}
"""By the class's name: what to do."""


def statuses() -> set[int]:
    """Every status that the code answers with in the shape of a problem."""
    own = {each.status for each in _below(CommandError)} - {CommandError.status}
    return {*own, *BY_STARLETTE, *(status for folder in CODE for status in _answered(ROOT / folder))}


def errors() -> list[type[ClinicError]]:
    """All classes of errors, those of the command's parts too: by module, in the order in which they are declared."""
    for module in sorted(ROOT.glob("clinic_lib/*/errors.py")):
        importlib.import_module(".".join(module.relative_to(ROOT).with_suffix("").parts))
    every: list[type[ClinicError]] = [ClinicError, *_below(ClinicError)]
    return sorted((each for each in every if each.__module__.startswith("clinic_lib.")), key=_declared)


def _declared(error: type[ClinicError]) -> tuple[int, str, int]:
    """Where: parts after the library, whatever was imported first."""
    return error.__module__.count("."), error.__module__, inspect.getsourcelines(error)[1]


def _answered(folder: Path) -> Iterator[int]:
    """The statuses in `problem(404, …)`."""
    for path in folder.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            match node:
                case ast.Call(func=ast.Name(id="problem"), args=[ast.Constant(value=int(status)), *_]):
                    yield status


def _below(error: type[ErrorT]) -> Iterator[type[ErrorT]]:
    for each in error.__subclasses__():
        yield each
        yield from _below(each)


HEAD = """# Errors by code

What clients are answered, and what the library raises. This page is made from the code by `python -m website.error_page`.

## Answers

Every error has the shape of [RFC 9457](https://www.rfc-editor.org/rfc/rfc9457), `application/problem+json`: `type` (`about:blank`), `title`, `status`,
`detail` (a sentence about this case) and, for 422, `errors` (a `field` and a `detail` each). More: [HTTP](http.md).
"""


def page() -> str:
    """The whole page."""
    return "\n".join([HEAD, *_answers(), "", "## Errors of the library", "", *_errors(), ""])


def _answers() -> Iterator[str]:
    yield "| status | means | what to do |"
    yield "|---|---|---|"
    for status in sorted(statuses()):
        means, advice = STATUSES[status]
        title = TITLES.get(status) or HTTPStatus(status).phrase
        yield f"| **{status}** {title} | {means} | {advice} |"


def _errors() -> Iterator[str]:
    yield "| error | is | status | what to do |"
    yield "|---|---|---|---|"
    for each in errors():
        first = inspect.getdoc(each) or ""
        status = getattr(each, "status", "") if each is not CommandError else ""
        is_what = first.split("\n\n", 1)[0].replace("\n", " ").replace("|", "\\|")
        yield f"| `{each.__module__.removeprefix('clinic_lib.')}.{each.__name__}` | {is_what} | {status} | {ADVICE[each.__name__]} |"


if __name__ == "__main__":
    PAGE.write_text(page())
