"""The commands `clinic check`, `clinic graph` and `clinic docs`: they read signatures, and run nothing."""

from collections.abc import Callable
from enum import StrEnum
from functools import wraps
from pathlib import Path
from typing import Annotated, Any

import typer

from clinic_lib.errors import ClinicError
from clinic_lib.local.project import find_project

__all__ = ["commands"]

commands = typer.Typer()

Manifests = Annotated[
    list[Path] | None,
    typer.Option(
        "--manifest",
        metavar="FILE",
        help="Services in another repository, as `clinic graph SYSTEM --format json` tells them there. "
        "May be given several times.",
    ),
]


class ReportFormat(StrEnum):
    """How findings are told."""

    TEXT = "text"
    JSON = "json"


def cannot_run_is_2(command: Callable[..., None]) -> Callable[..., None]:
    """What can't be looked at is one sentence and exit code 2, so that it is not taken for a finding."""

    @wraps(command)
    def guarded(*arguments: Any, **options: Any) -> None:
        try:
            command(*arguments, **options)
        except ClinicError as exc:
            typer.echo(str(exc), err=True)
            raise typer.Exit(2) from exc

    return guarded


@commands.command(
    name="check", epilog="Example: clinic check reservation --manifest ../billing/manifest.json"
)
@cannot_run_is_2
def check_systems(
    systems: Annotated[
        list[str] | None,
        typer.Argument(metavar="[SYSTEM]...", help="Systems of pyproject.toml; all without it."),
    ] = None,
    *,
    manifests: Manifests = None,
    format_: Annotated[
        ReportFormat, typer.Option("--format", help="For people, or for programs.")
    ] = ReportFormat.TEXT,
    write_baseline: Annotated[
        bool,
        typer.Option(
            "--write-baseline", help="Take what changed into schemas/SYSTEM.json, if it breaks nobody."
        ),
    ] = False,
) -> None:
    """Prove the wiring from the functions' signatures; nothing runs.

    The exit code is 0 when nothing is found, 1 when something is, 2 when it can't be looked at.
    """
    from clinic_lib.wiring.checking import Question, run  # noqa: PLC0415 - other commands are quicker without it

    question = Question(systems or [], manifests or [], format_ is ReportFormat.JSON, write_baseline)
    raise typer.Exit(run(find_project(), question))
