"""The stored results: what was measured last, each part with the machine and the day."""

import json
import os
import platform
import re
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import psutil

from clinic_lib.local.errors import StackError
from tests.benchmarks.ground import PROJECT

__all__ = ["FOLDER", "keep", "load", "not_ours"]

FOLDER = PROJECT / "docs" / "benchmarks"


def keep(found: dict[str, Any], folder: Path = FOLDER) -> None:
    """Put these parts in the place of earlier ones."""
    folder.mkdir(exist_ok=True)
    stored = load(folder)
    for part, value in found.items():
        stored[part] = {"measured": _circumstances(), "found": value}
    text = json.dumps(stored, indent=1, default=_short)
    (folder / "results.json").write_text(text + "\n")


def load(folder: Path = FOLDER) -> dict[str, Any]:
    """By part; nothing where nothing was measured yet. Raises `StackError` for a file that is not ours."""
    path = folder / "results.json"
    try:
        stored = json.loads(path.read_text()) if path.exists() else {}
        if not all({"measured", "found"} <= part.keys() for part in stored.values()):
            raise ValueError("a part has no `measured` or no `found`")
    except (OSError, ValueError, AttributeError) as exc:
        raise not_ours(path, exc) from exc
    return dict(stored)


def not_ours(path: Path, error: Exception) -> StackError:
    return StackError(
        f"{path} is not what clinic bench writes ({type(error).__name__}: {error}): "
        "take it back from git, or move it away."
    )


def _circumstances() -> dict[str, object]:
    return {
        "day": f"{datetime.now(UTC):%Y-%m-%d}",
        "cores": os.cpu_count(),
        "processor": _processor(),
        "memory_gb": round(psutil.virtual_memory().total / 2**30),
        "python": platform.python_version(),
    }


def _processor() -> str:
    path = Path("/proc/cpuinfo")
    found = re.search(r"model name\s*: (.*)", path.read_text()) if path.exists() else None
    return found[1].strip() if found else platform.processor() or platform.machine()


def _short(value: object) -> object:
    raise TypeError(f"{value!r} is no result")
