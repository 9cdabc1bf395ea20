"""The commands of the local stack."""

import json
from collections.abc import Callable, Mapping
from itertools import chain
from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table

from clinic_lib.local import control
from clinic_lib.local.errors import StackError
from clinic_lib.local.folder import ClinicFolder
from clinic_lib.local.logs import Logs
from clinic_lib.local.project import OwnCommand, Project, find_project
from clinic_lib.local.status import InfrastructureStatus, Status
from clinic_lib.plural import counted

__all__ = ["add_own_commands", "commands"]

commands = typer.Typer()

SystemName = Annotated[
    str | None, typer.Argument(help="A system of pyproject.toml; the first one without it.")
]
ChildName = Annotated[str, typer.Argument(help="A service, kafka, postgresql, prometheus or jaeger.")]
PUBLIC = ("name", "pid", "port", "state", "url")
COLOURS = {
    "running": "green",
    "starting": "yellow",
    "draining": "yellow",
    "stopped": "dim",
    "dead": "red",
    "elsewhere": "dim",
}


@commands.command()
def up(
    system: SystemName = None,
    *,
    all_systems: Annotated[bool, typer.Option("--all", help="All systems.")] = False,
    infrastructure: Annotated[
        bool, typer.Option("--infrastructure", help="Kafka and PostgreSQL alone.")
    ] = False,
    fresh: Annotated[bool, typer.Option("--fresh", help="Erase the data of earlier runs first.")] = False,
    observe: Annotated[
        bool,
        typer.Option("--observe", help="Prometheus beside it, Jaeger and Grafana where they can be had."),
    ] = False,
    jaeger: Annotated[
        bool,
        typer.Option("--jaeger", help="As --observe; Jaeger is built with Go, which takes minutes once."),
    ] = False,
) -> None:
    """Run a system with Kafka and PostgreSQL, until Ctrl-C."""
    from clinic_lib.local.up import Wanted, up  # noqa: PLC0415 - the other commands are quicker without it

    project = find_project()
    if infrastructure:
        names = []
    elif all_systems:
        names = list(project.systems)
    else:
        names = [system or next(iter(project.systems))]
    up(project, Wanted({name: project.system(name) for name in names}, fresh, observe, jaeger))


@commands.command()
def status(*, as_json: Annotated[bool, typer.Option("--json", help="As JSON.")] = False) -> None:
    """Show what runs."""
    now = control.status(_folder())
    if as_json:
        services, servers = map(_public, now["services"]), map(_public, now["infrastructure"])
        typer.echo(json.dumps({"services": list(services), "infrastructure": list(servers)}))
    else:
        Console().print(_table(now))


@commands.command()
def start(name: ChildName) -> None:
    """Start what is dead or stopped; returns when it serves."""
    control.call(_folder(), "start", name)
    typer.echo(f"{name} serves")


@commands.command()
def stop(name: ChildName) -> None:
    """End a service, kafka or postgresql; it stays down until started."""
    control.call(_folder(), "stop", name)
    typer.echo(f"{name} is stopped")


@commands.command()
def scale(
    name: ChildName, replicas: Annotated[int, typer.Argument(help="How many processes, from 1 on.")]
) -> None:
    """Run a service as several processes behind its one port."""
    control.call(_folder(), "scale", name, replicas)
    typer.echo(f"{name} serves as {counted(replicas, 'process', 'processes')}")


@commands.command(name="logs")
def show_logs(
    names: Annotated[list[str] | None, typer.Argument(help="Whose; all without it.")] = None,
    *,
    follow: Annotated[
        bool, typer.Option("--follow", "-f", help="Go on with what is written from now on.")
    ] = False,
    lines: Annotated[int, typer.Option("--lines", "-n", help="How many of the last lines.")] = 100,
) -> None:
    """Show what the processes wrote."""
    logs = Logs(_folder().logs, names or [])
    if not logs.files():
        raise StackError(
            f"There is no log of {', '.join(names or ['anything'])}: `clinic status` shows what runs."
        )
    for line in chain(logs.last(lines), logs.follow() if follow else ()):
        typer.echo(line)


@commands.command()
def demo(system: SystemName = None) -> None:
    """Drive the system that runs through its stories."""
    project = find_project()
    chosen = project.system(system)
    if chosen.demo is None:
        raise StackError(
            'This system has no demo: name one in pyproject.toml, as `demo = "module:function"`.'
        )
    control.status(ClinicFolder(project.folder))
    raise typer.Exit(project.function(chosen.demo)(chosen.url))


def add_own_commands(app: typer.Typer) -> None:
    """Add the commands that the project in this folder brings along; without a project there are none."""
    try:
        project = find_project()
    except StackError:
        return  # who needs the project is told
    ours = {each.name or each.callback.__name__ for each in commands.registered_commands if each.callback}
    ours |= {str(group.name) for group in app.registered_groups if group.name}
    for name, command in project.commands.items():
        if name in ours:
            raise StackError(
                f"[tool.clinic.commands] names {name}, which clinic has already: call it otherwise."
            )
        app.command(
            name,
            help=command.help,
            add_help_option=False,
            context_settings={"ignore_unknown_options": True, "allow_extra_args": True},
        )(_runner(project, command))


def _runner(project: Project, command: OwnCommand) -> Callable[[typer.Context], None]:
    def run(context: typer.Context) -> None:
        raise typer.Exit(project.function(command.run)(context.args))

    return run


def _folder() -> ClinicFolder:
    return ClinicFolder(find_project().folder)


def _public(entry: Mapping[str, object]) -> dict[str, object]:
    return {name: value for name, value in entry.items() if name in PUBLIC}


def _table(now: Status) -> Table:
    table = Table("name", "pid", "port", "state", "")
    rows: list[tuple[InfrastructureStatus, str]] = [(entry, str(entry["port"])) for entry in now["services"]]
    rows += [(entry, "") for entry in now["infrastructure"]]
    for entry, port in rows:
        state = f"[{COLOURS[entry['state']]}]{entry['state']}[/]"
        detail = entry["detail"] or entry.get("url", "")
        table.add_row(entry["name"], str(entry["pid"] or ""), port, state, detail)
    return table
