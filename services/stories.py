"""Stories for `clinic demo`: somebody does something, and a table shows what every service then sees of it."""

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Generic, TypeVar

import httpx2
from rich.console import Console
from rich.live import Live
from rich.table import Table
from rich.text import Text

__all__ = ["Ids", "Look", "Step", "status", "tell_all"]

SETTLES_WITHIN_SECONDS = 5.0
LOOKS_EVERY_SECONDS = 0.02
WIDTH_IN_A_PIPE = 120

STYLES = {
    "completed": "green",
    "performed": "green",
    "examined": "green",
    "confirmed": "green",
    "rejected": "red",
    "cancelled": "red",
    "withdrawn": "red",
    "examination_cancelled": "red",
}

SeenT = TypeVar("SeenT")

Ids = dict[str, int]
"""The ids that the services handed out in a story, by the names that its steps gave them."""

Look = Callable[[httpx2.Client, Ids], SeenT]
"""What each service says at the moment: a dataclass of texts, one a column, empty where it knows nothing yet."""


@dataclass(frozen=True)
class Step(Generic[SeenT]):
    """What somebody does, and what all services shall then see.

    `path` may hold names of ids in braces, `refers` fills fields of the body with such ids, and `makes` names
    the id of what is made.
    """

    what: str
    path: str
    body: Mapping[str, object]
    expected: SeenT
    refers: Mapping[str, str] = field(default_factory=dict)
    makes: str = ""


class UnsettledError(Exception):
    """The services do not see in time what they should."""


def tell_all(base_url: str, stories: Mapping[str, Sequence[Step[SeenT]]], look: Look[SeenT]) -> int:
    """Tell every story to the system at `base_url`; 1 when one is refused or a status does not come."""
    console = Console()
    if not console.is_terminal:
        console.width = WIDTH_IN_A_PIPE
    try:
        with httpx2.Client(base_url=base_url, timeout=SETTLES_WITHIN_SECONDS) as client:
            for title, steps in stories.items():
                table = empty_table(title, steps[0].expected)
                with Live(table, console=console):
                    tell(steps, look, client, table)
                console.print()
    except (httpx2.HTTPError, UnsettledError) as exc:
        console.print(f"[red]{base_url}: {exc}")
        return 1
    return 0


def tell(steps: Sequence[Step[SeenT]], look: Look[SeenT], client: httpx2.Client, table: Table) -> None:
    ids: Ids = {}
    for step in steps:
        take(step, ids, client)
        started = time.perf_counter()
        seen = settle(step.expected, lambda: look(client, ids))
        milliseconds = (time.perf_counter() - started) * 1000
        table.add_row(step.what, *cells(seen, step.expected), f"{milliseconds:.0f} ms")
        if seen != step.expected:
            raise UnsettledError(f"after {SETTLES_WITHIN_SECONDS:.0f} s, {step.expected} was not seen")


def take(step: Step[SeenT], ids: Ids, client: httpx2.Client) -> None:
    body = {**step.body, **{name: ids[of] for name, of in step.refers.items()}}
    answer = client.post(step.path.format_map(ids), json=body).raise_for_status().json()
    if step.makes:
        ids[step.makes] = answer["id"]


def settle(expected: SeenT, look: Callable[[], SeenT]) -> SeenT:
    """What the services see once that is what they should, or when time is up."""
    deadline = time.perf_counter() + SETTLES_WITHIN_SECONDS
    while (seen := look()) != expected and time.perf_counter() < deadline:
        time.sleep(LOOKS_EVERY_SECONDS)
    return seen


def status(client: httpx2.Client, path: str) -> str:
    """A resource's status; empty when there is no such resource yet."""
    answer = client.get(path)
    if answer.status_code == httpx2.codes.NOT_FOUND:
        return ""
    return str(answer.raise_for_status().json()["status"])


def empty_table(title: str, seen: object) -> Table:
    table = Table(title=title, title_justify="left", title_style="bold", expand=True)
    table.add_column("step", ratio=1)
    for name in vars(seen):
        table.add_column(name.replace("_", " "), no_wrap=True, min_width=12)
    table.add_column("seen after", justify="right", no_wrap=True)
    return table


def cells(seen: object, expected: object) -> list[Text]:
    """One for each service; what should be otherwise stands out."""
    return [
        cell(value) if value == wanted else Text(value or "-", "bold white on red")
        for value, wanted in zip(vars(seen).values(), vars(expected).values(), strict=True)
    ]


def cell(value: str) -> Text:
    """Each status in its colour."""
    text = Text(value or "-")
    for status, style in STYLES.items():
        text.highlight_words([status], style)
    return text
