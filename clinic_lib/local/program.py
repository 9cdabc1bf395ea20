"""What the stack can run: Kafka, PostgreSQL, a replica of a service."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from signal import SIGTERM, Signals
from typing import Protocol

__all__ = ["Launch", "Program", "Say"]

Say = Callable[[str], None]
"""Tells the person in front what happens now."""


@dataclass(frozen=True, kw_only=True)
class Launch:
    """How a program is started and asked to end."""

    command: tuple[str, ...]
    folder: Path
    environment: Mapping[str, str]
    user: str | None = None
    stop_signal: Signals = SIGTERM


class Program(Protocol):
    """Something that runs as one process and serves after a while."""

    @property
    def name(self) -> str:
        """What people call it, in commands and tables."""

    @property
    def ports(self) -> tuple[int, ...]:
        """The ports it listens on and shares with nobody, its own first."""

    async def prepare(self, say: Say) -> Launch:
        """Makes everything ready that is needed before each start.

        Raises `StackError`.
        """

    async def why_not_serving(self) -> str | None:
        """Why it can't be used yet; None when it serves. Asked only while it starts."""
