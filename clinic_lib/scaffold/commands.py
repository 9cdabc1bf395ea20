"""The commands that write."""

import shlex
import subprocess
import sys
from pathlib import Path
from typing import Annotated

import typer

from clinic_lib.local.project import Project, find_project
from clinic_lib.scaffold.change import Change
from clinic_lib.scaffold.errors import ScaffoldError
from clinic_lib.scaffold.names import ServiceNames
from clinic_lib.scaffold.project import new_project
from clinic_lib.scaffold.service import new_service

__all__ = ["new"]

new = typer.Typer(no_args_is_help=True, help="Write a new service, or a new project.")

DryRun = Annotated[bool, typer.Option("--dry-run", help="Only list what would be written.")]


@new.command()
def service(
    name: Annotated[str, typer.Argument(help="In lower case, as patient_file.")],
    *,
    system: Annotated[
        str | None, typer.Option(help="A system of pyproject.toml; the first without it.")
    ] = None,
    saga: Annotated[str | None, typer.Option(help="Which saga, when the contracts have several.")] = None,
    dry_run: DryRun = False,
) -> None:
    """Write a service that takes part in a system's saga: an event, a step, a compensation, a projection, tests."""
    project = find_project()
    names = ServiceNames(name, system or next(iter(project.systems)))
    change, port = new_service(project, names, saga)
    _carry_out(change, dry_run)
    if not dry_run:
        _regenerate(project)
        typer.echo(
            f"Next: clinic up {names.system}, then curl localhost:{port}{names.collection}; "
            f"the rules go into {names.package.replace('.', '/')}/domain.py."
        )


@new.command()
def project(
    name: Annotated[str, typer.Argument(help="Of the folder and of its system, in lower case.")],
    *,
    dry_run: DryRun = False,
) -> None:
    """Write a project in a new folder: a system of one service, with its saga and its tests."""
    change = new_project(Path.cwd(), name)
    _carry_out(change, dry_run)
    if not dry_run:
        typer.echo(f"Next: cd {name}, then clinic up; README.md says what to ask it.")


def _carry_out(change: Change, dry_run: bool) -> None:
    for line in change.lines():
        typer.echo(line)
    if not dry_run:
        change.write()


def _regenerate(project: Project) -> None:
    """Runs what the project makes from its table of services."""
    for command in project.regenerate:
        typer.echo(f"running  {command}")
        program, *arguments = shlex.split(command)
        program = sys.executable if program == "python" else program
        done = subprocess.run([program, *arguments], cwd=project.folder, check=False)  # noqa: S603 - of pyproject.toml
        if done.returncode:
            raise ScaffoldError(f"All is written, but `{command}` failed: see above, then run it again.")
