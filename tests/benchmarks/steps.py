"""Tells the person in front what is measured now, and how much is left."""

from collections.abc import Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

__all__ = ["Steps", "showing"]


class Steps:
    """Hears of each measurement before it begins; `total` grows when a part says how many it has."""

    def __init__(self, progress: Progress) -> None:
        self._progress = progress
        self._task = progress.add_task("starting Kafka and PostgreSQL", total=1)
        self._total = 1

    def expect(self, more: int) -> None:
        self._total += more
        self._progress.update(self._task, total=self._total)

    def __call__(self, what: str) -> None:
        self._progress.update(self._task, advance=1, description=what)
        if not self._progress.console.is_terminal:
            self._progress.console.print(what)


@contextmanager
def showing() -> Iterator[Steps]:
    """A bar on standard error; where that is no terminal, a line for each measurement."""
    console = Console(stderr=True, highlight=False)
    columns = (TextColumn("{task.description:<45}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    with Progress(*columns, console=console, disable=not console.is_terminal, transient=True) as progress:
        yield Steps(progress)
