"""Instances of sagas, as people read them."""

from collections.abc import Iterable, Mapping
from typing import Any

from rich.markup import escape
from rich.table import Table

from clinic_lib.operate.screen import day_and_time, time_of_day
from clinic_lib.operate.story import Mark, Story

__all__ = ["facts_of", "history_table", "instance_table", "story_json"]

COLOURS = {
    "running": "cyan",
    "completed": "green",
    "compensated": "yellow",
    "overdue": "magenta",
    "stuck": "red",
}
SIGNS = {
    Mark.HANDLED: "[green]✓[/]",
    Mark.PARKED: "[red]✗[/]",
    Mark.NOT_YET: "[yellow]…[/]",
    Mark.FORGOTTEN: "[dim]?[/]",
    Mark.DOWN: "[red]down[/]",
    None: "",
}


def instance_table(instances: Iterable[Mapping[str, Any]]) -> Table:
    """One line an instance."""
    table = Table("saga", "id", "state", "started", "deadline", "ended", "stuck in")
    for each in instances:
        table.add_row(
            each["saga"],
            escape(each["subject"]),
            _coloured(each["state"]),
            day_and_time(each["started_at"]),
            day_and_time(each["deadline_at"]),
            day_and_time(each["ended_at"]),
            "\n".join(
                f"{stuck['service']}: {stuck['handler']} on {stuck['message_type']}, {stuck['error']}"
                for stuck in each["stuck"]
            ),
        )
    return table


def facts_of(instance: Mapping[str, Any]) -> str:
    """What its owner knows, in a line or two."""
    times = {name: day_and_time(instance[f"{name}_at"]) for name in ("started", "deadline", "ended")}
    dates = ", ".join(f"{name} {time}" for name, time in times.items() if time)
    return (
        f"{instance['saga']} {instance['subject']} is {instance['state']}: {dates}\n"
        f"owned by {instance['service']}, key {instance['key']}, correlation id {instance['correlation_id']}"
    )


def history_table(story: Story) -> Table:
    """The log's events in their order, and what each service that receives any of them did with it."""
    listeners = [each for each in story.listeners if any(map(each.receives, story.history))]
    table = Table("time", "event", "by", *(each.name for each in listeners))
    columns = [story.marks(each) for each in listeners]
    for entry, *marks in zip(story.history, *columns, strict=True):
        table.add_row(
            time_of_day(entry["time"]), entry["type"], entry["source"], *(SIGNS[mark] for mark in marks)
        )
    return table


def story_json(story: Story) -> dict[str, Any]:
    """The instance as its owner gives it; each entry with who did what with it; what it waits for."""
    marks = {each.name: story.marks(each) for each in story.listeners}
    history = [
        {**entry, "services": {name: own[place] for name, own in marks.items() if own[place]}}
        for place, entry in enumerate(story.history)
    ]
    return {**story.instance, "history": history, "waits_for": story.waits_for()}


def _coloured(state: str) -> str:
    return f"[{COLOURS[state]}]{state}[/]"
