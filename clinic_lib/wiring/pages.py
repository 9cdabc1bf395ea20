"""Files that are written, or compared with what they should be."""

from collections.abc import Mapping
from pathlib import Path

__all__ = ["stale", "write"]


def write(files: Mapping[Path, str]) -> None:
    for path, text in files.items():
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)


def stale(files: Mapping[Path, str]) -> list[Path]:
    """Those that are missing, or hold something else."""
    return [path for path, text in files.items() if not path.exists() or path.read_text() != text]
