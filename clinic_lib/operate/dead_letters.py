"""The commands `clinic dead-letters …`: look at what a service could not handle, redrive it, give it up."""

from enum import StrEnum
from typing import Annotated, Any

import typer

from clinic_lib.operate.asked import Asked, over_services
from clinic_lib.operate.errors import OperateError
from clinic_lib.operate.letters import Letter, letter_table, loss_of, outcome_of, whole_letter
from clinic_lib.operate.screen import AllPages, Limit, complain, say, show_json, show_table
from clinic_lib.operate.services import Services
from clinic_lib.plural import counted

__all__ = ["dead_letters"]

dead_letters = typer.Typer(
    no_args_is_help=True, help="Messages that a service could not handle, and what waits behind them."
)


class LetterState(StrEnum):
    """Of a dead letter."""

    FAILED = "failed"
    RETRYING = "retrying"
    WAITING = "waiting"
    MALFORMED = "malformed"


ServiceName = Annotated[str, typer.Argument(help="The service that could not handle it.")]
LetterId = Annotated[int, typer.Argument(min=1, help="The letter's id in that service.")]
Key = Annotated[str | None, typer.Option(help="A saga's key, as order_id:17.")]


@dead_letters.command(name="list", epilog="Example: clinic dead-letters list seat --state failed")
@over_services
def list_letters(
    asked: Asked,
    service: Annotated[str | None, typer.Argument(help="Of this service; of all without it.")] = None,
    *,
    state: Annotated[LetterState | None, typer.Option(help="Only those in this state.")] = None,
    key: Key = None,
    limit: Limit = 50,
    every: AllPages = False,
) -> None:
    """List dead letters, newest first.

    failed needs a person, retrying is tried again by itself, waiting stands behind another letter of its key,
    malformed is no event at all.
    """
    services = asked.services
    letters, more = services.newest(
        services.some(service),
        "/admin/dead-letters",
        by="created_at",
        limit=None if every else limit,
        state=state,
        key=key,
    )
    if asked.as_json:
        show_json({"items": letters, "more": more})
    elif letters:
        show_table(letter_table(letters))
        complain(["There are more: --limit or --all shows them."] if more else [])
    elif not services.down:
        say("No dead letters.")
    complain(f"{sentence} Its dead letters are not shown." for sentence in services.down.values())
    raise typer.Exit(bool(services.down))


@dead_letters.command(epilog="Example: clinic dead-letters show seat 12")
@over_services
def show(
    asked: Asked,
    service: ServiceName,
    letter: LetterId,
) -> None:
    """Show one dead letter whole: error, traceback, and the record as it came."""
    found = _letter(asked.services, service, letter)
    if asked.as_json:
        show_json(found)
    else:
        say(whole_letter(found))


@dead_letters.command(epilog="Example: clinic dead-letters redrive seat --key order_id:17")
@over_services
def redrive(
    asked: Asked,
    service: ServiceName,
    letter: Annotated[int | None, typer.Argument(min=1, help="A letter: its whole key is handled.")] = None,
    *,
    key: Key = None,
    every: Annotated[bool, typer.Option("--all", help="All keys of the service.")] = False,
) -> None:
    """Handle dead letters again, each key's in order, once their cause is mended.

    The first that fails again stops its key. The exit code is 1 when something remains.
    """
    if [letter is not None, key is not None, every].count(True) != 1:
        raise OperateError(f"Say which: `clinic dead-letters redrive {service} ID`, --key KEY or --all.")
    port = asked.services.named(service)
    if letter is not None:
        outcome = port.post(f"/admin/dead-letters/{letter}/redrive")
    else:
        outcome = port.post("/admin/dead-letters/redrive", {"key": key})
    if key is not None and not outcome["handled"] and not outcome["remaining"]:
        raise OperateError(f"{service} has no dead letter of {key}: `clinic dead-letters list {service}`.")
    if asked.as_json:
        show_json(outcome)
    else:
        say(outcome_of(outcome))
    raise typer.Exit(bool(outcome["remaining"]))


@dead_letters.command(epilog="Example: clinic dead-letters discard seat 12 --yes")
@over_services
def discard(
    asked: Asked,
    service: ServiceName,
    letter: Annotated[int | None, typer.Argument(min=1, help="The letter's id in that service.")] = None,
    *,
    malformed: Annotated[bool, typer.Option("--malformed", help="All malformed records instead.")] = False,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Don't ask.")] = False,
) -> None:
    """Give a message up: it is never handled here. What waits behind it is handled next."""
    if (letter is None) is not malformed:
        raise OperateError(f"Say which: `clinic dead-letters discard {service} ID` or --malformed.")
    port = asked.services.named(service)
    if letter is not None:
        complain([loss_of(_letter(asked.services, service, letter))])
        ids = [letter]
    else:
        ids = [each["id"] for each in port.items("/admin/dead-letters", {"state": "malformed"}, None)]
        complain(
            [f"{counted(len(ids), 'malformed record')} of {service} will be gone; the log still has them."]
        )
    if not yes and ids:
        typer.confirm("Discard?", abort=True, err=True)
    outcomes = [port.delete(_path(each)) for each in ids]
    handled, remaining = (sum(each[name] for each in outcomes) for name in ("handled", "remaining"))
    if asked.as_json:
        show_json({"discarded": len(ids), "handled": handled, "remaining": remaining})
    else:
        say(f"{len(ids)} discarded; behind {handled} handled, {remaining} remaining")


def _letter(services: Services, service: str, letter: int) -> Letter:
    found: dict[str, Any] = {"service": service, **services.named(service).get(_path(letter))}
    return found


def _path(letter: int) -> str:
    return f"/admin/dead-letters/{letter}"
