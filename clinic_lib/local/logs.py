"""What the children wrote, one file each, as people read it."""

import json
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

__all__ = ["Logs"]

LOOKS_EVERY_S = 0.2
NAMES_WIDTH = 20
SHOWN_FIRST = ("timestamp", "level", "event")


class Logs:
    """The logs of the named children with all their replicas, or of all; each line is told once."""

    def __init__(self, folder: Path, names: Sequence[str]) -> None:
        self._folder = folder
        self._names = names
        self._read: dict[Path, int] = {}

    def files(self) -> list[Path]:
        """Those that exist now."""
        paths = sorted(self._folder.glob("*.log"))
        return [path for path in paths if not self._names or path.stem.partition("-")[0] in self._names]

    def last(self, count: int) -> Iterator[str]:
        """The last lines of each file."""
        for path in self.files():
            lines = self._new_lines(path)
            yield from lines[max(len(lines) - count, 0) :]

    def follow(self) -> Iterator[str]:
        """What is written from now on, for ever, also to files that do not exist yet."""
        while True:
            for path in self.files():
                yield from self._new_lines(path)
            time.sleep(LOOKS_EVERY_S)

    def _new_lines(self, path: Path) -> list[str]:
        start = self._read.get(path, 0)
        with path.open("rb") as file:
            file.seek(start if start <= path.stat().st_size else 0)  # a new run starts with empty files
            complete, _, unfinished = file.read().rpartition(b"\n")
            self._read[path] = file.tell() - len(unfinished)
        return [self._line(path, line) for line in complete.decode(errors="replace").splitlines()]

    def _line(self, path: Path, line: str) -> str:
        return _readable(line) if len(self._names) == 1 else f"{path.stem:<{NAMES_WIDTH}} {_readable(line)}"


def _readable(line: str) -> str:
    """A JSON record as its time, level and event, then the rest as name=value; any other line as it is."""
    try:
        record = json.loads(line)
    except ValueError:
        return line
    if not isinstance(record, dict):
        return line
    first = [str(record.pop(name)) for name in SHOWN_FIRST if name in record]
    return " ".join([*first, *(f"{name}={value}" for name, value in record.items())])
