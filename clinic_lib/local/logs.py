"""What the children wrote, one file each."""

import time
from collections.abc import Iterator, Sequence
from pathlib import Path

__all__ = ["last_lines", "new_lines"]

LOOKS_EVERY_S = 0.2


def files(folder: Path, names: Sequence[str]) -> list[Path]:
    """Of the named children, with all their replicas; of all without names."""
    return [
        path for path in sorted(folder.glob("*.log")) if not names or path.stem.partition("-")[0] in names
    ]


def last_lines(folder: Path, names: Sequence[str], count: int) -> Iterator[tuple[str, str]]:
    """The last lines of each file, with the name of who wrote them."""
    for path in files(folder, names):
        for line in path.read_text(errors="replace").splitlines()[-count:]:
            yield path.stem, line


def new_lines(folder: Path, names: Sequence[str]) -> Iterator[tuple[str, str]]:
    """What is written from now on, for ever, also to files that do not exist yet."""
    read = {path: path.stat().st_size for path in files(folder, names)}
    while True:
        for path in files(folder, names):
            with path.open("rb") as file:
                file.seek(read.get(path, 0) if read.get(path, 0) <= path.stat().st_size else 0)
                complete = file.read().rpartition(b"\n")
                read[path] = file.tell() - len(complete[2])
            for line in complete[0].decode(errors="replace").splitlines():
                yield path.stem, line
        time.sleep(LOOKS_EVERY_S)
