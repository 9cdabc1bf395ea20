"""The code blocks of a page, and what they do: files are written, commands are run and their answers compared.

A block with a file name as its title is that file, or its next part. In a `console` block a line with `$` is a
command, the lines below it are what it prints: `…` stands for anything, and it may take a while until it is so.
"""

import re
import subprocess
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

__all__ = ["Block", "Exchange", "Reader", "blocks"]

FENCE = re.compile(r'^```(\w+)(?: title="([^"]*)")?\n(.*?)^```$', re.MULTILINE | re.DOTALL)
SEEN_WITHIN_SECONDS = 20.0


@dataclass(frozen=True)
class Block:
    """A fenced block: its language, its title if it has one, its lines."""

    language: str
    title: str
    text: str


@dataclass(frozen=True)
class Exchange:
    """A command, and what it answers."""

    command: str
    answer: str

    def fits(self, printed: str) -> bool:
        """Whether that was printed, line by line, in this order; others may stand between."""
        lines = iter(printed.splitlines())
        return all(any(self._pattern(wanted).fullmatch(line) for line in lines) for wanted in self._wanted())

    def _wanted(self) -> list[str]:
        return self.answer.splitlines()

    @staticmethod
    def _pattern(line: str) -> re.Pattern[str]:
        return re.compile(".*".join(re.escape(part) for part in line.split("…")))


def blocks(page: str) -> Iterator[Block]:
    yield from (Block(*found.groups(default="")) for found in FENCE.finditer(page))


@dataclass
class Reader:
    """Somebody who does in a folder what a page says. `moved` are the ports that are others here."""

    folder: Path
    environment: Mapping[str, str]
    moved: Mapping[int, int]
    parts: dict[str, list[str]] = field(default_factory=dict)

    def write(self, block: Block) -> None:
        """Puts the block into the file it names, behind what earlier ones put there."""
        parts = self.parts.setdefault(block.title, [])
        parts.append(self.here(block.text))
        (self.folder / block.title).write_text("\n\n".join(parts))

    def here(self, text: str) -> str:
        """With this machine's ports in place of the page's."""
        return re.sub(r"\b\d{4,5}\b", lambda found: str(self.moved.get(int(found[0]), found[0])), text)

    def converse(self, block: Block) -> Iterator[str]:
        """Runs its commands; says what did not answer as the page has it."""
        told = [part.partition("\n") for part in re.split(r"^\$ ", block.text, flags=re.MULTILINE) if part]
        setting = ""
        for exchange in (Exchange(command, answer) for command, _, answer in told):
            if exchange.command.startswith("export "):
                setting += f"{exchange.command}; "
            elif found := self._disagrees(exchange, setting):
                yield f"$ {exchange.command}\n{found}"

    def _disagrees(self, exchange: Exchange, setting: str) -> str:
        """What it prints at last, when that is something else."""
        until = time.monotonic() + SEEN_WITHIN_SECONDS
        while True:
            printed = self.run(setting + exchange.command)
            if exchange.fits(printed):
                return ""
            if time.monotonic() > until or "-d " in exchange.command:  # what changes something is said once
                return printed
            time.sleep(0.2)

    def run(self, command: str) -> str:
        """What a command prints in the page's environment, as in its terminals."""
        finished = subprocess.run(
            ["bash", "-c", f". .venv/bin/activate 2>/dev/null; {self.here(command)}"],
            cwd=self.folder,
            env=dict(self.environment),
            capture_output=True,
            text=True,
            timeout=300,
            check=False,
        )
        return finished.stdout + finished.stderr
