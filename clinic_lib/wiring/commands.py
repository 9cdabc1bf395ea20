"""The commands `clinic check`, `clinic graph` and `clinic docs`: they read signatures, and run nothing."""

from collections.abc import Callable, Mapping
from enum import StrEnum
from functools import wraps
from pathlib import Path
from typing import Annotated, Any

import typer

from clinic_lib.errors import ClinicError
from clinic_lib.local.project import find_project
from clinic_lib.wiring.errors import LookError
from clinic_lib.wiring.pages import stale, write

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


class GraphFormat(StrEnum):
    """What is drawn."""

    MERMAID = "mermaid"
    SVG = "svg"
    DOT = "dot"
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
    raise typer.Exit(int(run(find_project(), question)))


@commands.command(epilog="Example: clinic graph reservation --out docs/choreography-reservation.md")
@cannot_run_is_2
def graph(
    system: Annotated[str, typer.Argument(help="A system of pyproject.toml.")],
    *,
    format_: Annotated[
        GraphFormat,
        typer.Option(
            "--format",
            help="mermaid: a page of Markdown with all pictures; svg: the flow, drawn by Graphviz; dot: what that is "
            "drawn of; json: the manifest, for `--manifest` elsewhere.",
        ),
    ] = GraphFormat.MERMAID,
    out: Annotated[Path | None, typer.Option(metavar="FILE", help="Write it there.")] = None,
    check: Annotated[
        bool, typer.Option("--check", help="Write nothing: say whether --out is what it should be.")
    ] = False,
    manifests: Manifests = None,
) -> None:
    """Draw a system: who hears what, a run that ends well, and what each failure undoes."""
    from clinic_lib.wiring.drawing import draw  # noqa: PLC0415 - other commands are quicker without it

    text = draw(find_project(), system, format_, manifests or [])
    if out is None:
        if check:
            raise LookError("--check compares a file: say which by --out.")
        typer.echo(text, nl=False)
        return
    _write_or_compare({out: text}, check, f"clinic graph {system} --format {format_} --out {out}")


@commands.command(epilog="Example: clinic docs clinic --serve 8099")
@cannot_run_is_2
def docs(
    system: Annotated[str, typer.Argument(help="A system of pyproject.toml.")],
    *,
    out: Annotated[Path | None, typer.Option(metavar="DIR", help="Write them into this folder.")] = None,
    port: Annotated[
        int | None,
        typer.Option(
            "--serve", metavar="PORT", min=1, max=65535, help="Show them on this port, until Ctrl-C."
        ),
    ] = None,
) -> None:
    """Write a system's documents: OpenAPI and AsyncAPI of each service and of all together, and a page to read."""
    from clinic_lib.wiring.drawing import documents  # noqa: PLC0415 - other commands are quicker without it
    from clinic_lib.wiring.serving import serve  # noqa: PLC0415

    if out is None and port is None:
        raise LookError("Say --out DIR to write the documents, or --serve PORT to look at them.")
    files = documents(find_project(), system)
    if out is not None:
        write({out / path: text for path, text in files.items()})
        typer.echo(f"{len(files)} files are in {out}")
    if port is not None:
        typer.echo(f"http://127.0.0.1:{port} shows the documents of {system}; Ctrl-C ends it")
        serve(files, port)


def _write_or_compare(files: Mapping[Path, str], check: bool, command: str) -> None:
    if not check:
        write(files)
        return
    for path in (old := stale(files)):
        typer.echo(f"{path} is stale: write it again by `{command}`.", err=True)
    raise typer.Exit(int(bool(old)))
