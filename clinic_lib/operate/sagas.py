"""The commands `clinic sagas …`: how each instance stands, and what one waits for."""

from collections.abc import Mapping
from enum import StrEnum
from typing import Annotated, Any
from urllib.parse import quote

import typer

from clinic_lib.operate.admin_port import AdminPort
from clinic_lib.operate.asked import Asked, over_services
from clinic_lib.operate.errors import DownError, NotThereError, OperateError
from clinic_lib.operate.instances import facts_of, history_table, instance_table, story_json
from clinic_lib.operate.screen import AllPages, Limit, complain, say, show_json, show_table
from clinic_lib.operate.services import Services
from clinic_lib.operate.story import Listener, Story

__all__ = ["sagas"]

sagas = typer.Typer(no_args_is_help=True, help="Where sagas stand, over all services.")


class SagaState(StrEnum):
    """Of an instance."""

    RUNNING = "running"
    COMPLETED = "completed"
    COMPENSATED = "compensated"
    OVERDUE = "overdue"
    STUCK = "stuck"


@sagas.command(name="list", epilog="Example: clinic sagas list --stuck")
@over_services
def list_instances(
    asked: Asked,
    *,
    state: Annotated[SagaState | None, typer.Option(help="Only those in this state.")] = None,
    stuck: Annotated[bool, typer.Option("--stuck", help="As --state stuck.")] = False,
    saga: Annotated[str | None, typer.Option(help="Only instances of this saga.")] = None,
    limit: Limit = 50,
    every: AllPages = False,
) -> None:
    """List instances of sagas, newest first."""
    if stuck and state not in (None, SagaState.STUCK):
        raise OperateError(f"--stuck and --state {state} exclude each other: give one of them.")
    state = SagaState.STUCK if stuck else state
    services = asked.services
    instances, more = services.newest(
        [owner.port for owner in services.owners(saga)],
        "/admin/sagas",
        by="started_at",
        limit=None if every else limit,
        state=state,
        saga=saga,
    )
    if asked.as_json:
        show_json({"items": instances, "more": more})
    elif instances:
        show_table(instance_table(instances))
        complain(["There are more: --limit or --all shows them."] if more else [])
    elif not services.down:
        say(f"No {saga or 'saga'} is {state}." if state else f"There is no {saga or 'saga'} yet.")
    complain(f"{sentence} Sagas that it owns are not shown." for sentence in services.down.values())
    raise typer.Exit(bool(services.down))


@sagas.command(epilog="Example: clinic sagas show 17 --saga reservation")
@over_services
def show(
    asked: Asked,
    subject: Annotated[str, typer.Argument(metavar="ID", help="The saga's id, such as the order's.")],
    *,
    saga: Annotated[str | None, typer.Option(help="Which saga, when several have that id.")] = None,
) -> None:
    """Show one instance: its events over all services, who has handled them, and what it waits for.

    ✓ handled, ✗ among the service's dead letters, … not yet, ? too long ago to know.
    """
    services = asked.services
    instance = _instance(services, saga, subject)
    if instance["history"] is None:
        if asked.as_json:
            show_json(dict(instance))
        else:
            say(facts_of(instance))
        raise OperateError(
            "The log can't be read, so its events can't be told: is Kafka up? `clinic status`."
        )
    ids = [entry["message_id"] for entry in instance["history"]]
    story = Story(instance, [each for port in services.all.values() for each in _listener(port, ids)])
    if asked.as_json:
        show_json(story_json(story))
        return
    say(facts_of(instance))
    show_table(history_table(story))
    for sentence in story.waits_for():
        say(sentence)


def _instance(services: Services, saga: str | None, subject: str) -> Mapping[str, Any]:
    """The one instance of that id. Raises `OperateError` when there is none or several."""
    found: list[dict[str, Any]] = []
    for port, names in services.owners(saga):
        for name in names:
            try:
                path = f"/admin/sagas/{quote(name)}/{quote(subject, safe='')}"
                found.append({"service": port.name, **port.get(path)})
            except NotThereError:
                continue
            except DownError as exc:
                services.down[port.name] = str(exc)
    if len(found) > 1:
        names = [each["saga"] for each in found]
        raise OperateError(f"There is a {' and a '.join(names)} {subject}: say which by --saga.")
    if not found and services.down:
        raise OperateError(f"{' '.join(services.down.values())} It may own {saga or 'saga'} {subject}.")
    if not found:
        raise OperateError(
            f"There is no {saga or 'saga'} {subject}: `clinic sagas list` shows those there are."
        )
    return found[0]


def _listener(port: AdminPort, message_ids: list[str]) -> list[Listener]:
    """None for what is no service of the library's, such as a gateway."""
    try:
        return [Listener(port.name, port.declared(), handled=port.handled(message_ids))]
    except NotThereError:
        return []
    except DownError as exc:
        return [Listener(port.name, port.said, down=str(exc).removesuffix("."))]
