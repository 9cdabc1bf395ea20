"""What the commands take and show: tables in a terminal, lines wide enough elsewhere, JSON for programs."""

import json
from collections.abc import Iterable
from datetime import datetime
from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table

__all__ = [
    "AllPages",
    "Limit",
    "complain",
    "day_and_time",
    "harmless",
    "say",
    "show_json",
    "show_table",
    "time_of_day",
]

WIDTH_OF_A_FILE = 200

Limit = Annotated[int, typer.Option(min=1, help="How many at most.")]
AllPages = Annotated[bool, typer.Option("--all", help="All of them.")]


def say(text: str) -> None:
    typer.echo(text)


def complain(sentences: Iterable[str]) -> None:
    """On standard error, so that what stands on standard output can be read by a program."""
    for sentence in sentences:
        typer.echo(sentence, err=True)


def show_json(content: object) -> None:
    typer.echo(json.dumps(content))


def show_table(table: Table) -> None:
    console = Console(highlight=False)
    if not console.is_terminal:
        console.width = WIDTH_OF_A_FILE
    console.print(table)


def day_and_time(text: str | None) -> str:
    """Here, to the second; empty for none."""
    return f"{_here(text):%Y-%m-%d %H:%M:%S}" if text else ""


def harmless(text: str) -> str:
    """What a stranger wrote, without what a terminal would obey."""
    return "".join(each if each.isprintable() or each in "\n\t" else f"\\x{ord(each):02x}" for each in text)


def time_of_day(text: str) -> str:
    """Here, to the millisecond."""
    return f"{_here(text):%H:%M:%S.%f}"[:-3]


def _here(text: str) -> datetime:
    return datetime.fromisoformat(text).astimezone()
