"""What happens, told to the person in front, on standard error."""

from collections.abc import Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.text import Text

__all__ = ["Progress"]


class Progress:
    """One line per step; in a terminal also a sign that work goes on."""

    def __init__(self) -> None:
        self._console = Console(stderr=True, highlight=False)

    def say(self, name: str, what: str) -> None:
        """Tells what `name` does now."""
        self._console.print(Text.assemble((f"{name:<20}", "bold"), what), soft_wrap=True)

    @contextmanager
    def working(self, what: str) -> Iterator[None]:
        """Shows, in a terminal, that the block still works."""
        with self._console.status(what):
            yield
