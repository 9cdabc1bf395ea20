"""Single mistakes in the source of the program: `python -m tests.infra.mutate_source` prints those that nothing finds.

Each one goes into a copy of `infra/`, and a process of its own records the copy's program and asks all checks. The
processes are forks of one that has imported and run everything once: what is slow is slow once.
"""

import gc
import importlib
import os
import shutil
import sys
import tempfile
import threading
from collections.abc import Sequence
from pathlib import Path

from infra.recording import ROOT, record
from tests.infra.faults import faults
from tests.infra.golden import FOLDER, urns
from tests.infra.source_mutations import SOURCE_MUTATIONS, SourceMutation

__all__ = ["survivors"]

AT_ONCE = 2
CHECKED_FIRST = ("dev", "local")
COPIED = ("infra", "pyproject.toml", "Pulumi.local.yaml", "Pulumi.dev.yaml", "Pulumi.prod.yaml")


def survivors(mutations: Sequence[SourceMutation], folder: Path) -> list[str]:
    """A sentence for each that is not found. Raises `LookupError` when one's place is not there exactly once."""
    for number, mutation in enumerate(mutations):
        _copy(folder / str(number), mutation)
    for stack in CHECKED_FIRST:
        if found := _first_fault(stack):
            return [f"without any mistake: {found}"]
    assert threading.active_count() == 1, "a fork of several threads may hang"
    gc.freeze()  # or each fork copies all that the collector touches
    running: set[int] = set()
    for number, mutation in enumerate(mutations):
        if len(running) == AT_ONCE:
            running.discard(os.wait()[0])
        running.add(_in_a_fork(folder / str(number), mutation))
    while running:
        running.discard(os.wait()[0])
    found = [(folder / f"{number}.found").read_text() for number in range(len(mutations))]
    return [f"nothing finds {each}" for each, answer in zip(mutations, found, strict=True) if not answer]


def _copy(copy: Path, mutation: SourceMutation) -> None:
    copy.mkdir()
    for name in COPIED:
        if (ROOT / name).is_dir():
            shutil.copytree(ROOT / name, copy / name, ignore=shutil.ignore_patterns("__pycache__"))
        else:
            shutil.copy(ROOT / name, copy / name)
    file = copy / "infra" / mutation.file
    text = file.read_text()
    if text.count(mutation.old) != 1:
        raise LookupError(f"{mutation.file} has {mutation.old!r} {text.count(mutation.old)} times")
    file.write_text(text.replace(mutation.old, mutation.new))


def _in_a_fork(copy: Path, mutation: SourceMutation) -> int:
    child = os.fork()
    if child:
        return child
    try:
        gc.disable()
        for name in [each for each in sys.modules if f"{each}.".startswith(("infra.", "tests.infra."))]:
            if name != "tests.infra.schema":  # it knows nothing of the program, and remembers what it saw
                del sys.modules[name]
        sys.path.insert(0, str(copy))
        found = importlib.import_module("tests.infra.mutate_source")._first_fault(mutation.stack)
    except BaseException as exc:  # whatever goes wrong in there is a mistake that was found
        found = f"{type(exc).__name__}: {exc}"
    copy.with_suffix(".found").write_text(found)
    os._exit(0)


def _first_fault(stack: str) -> str:
    program = record(stack)
    if urns(program) != (FOLDER / f"{stack}.txt").read_text():
        return "other URNs"
    return next(iter(faults(program)), "")


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as made:
        left = survivors(SOURCE_MUTATIONS, Path(made))
    print(*left, f"{len(SOURCE_MUTATIONS)} mistakes, {len(left)} not found", sep="\n")
    sys.exit(bool(left))
