"""What is fetched or built once per machine, and kept in the user's cache.

It is made in a folder beside the final one, which takes its name when it is whole: an end in the middle leaves nothing
that could be mistaken for it later.
"""

import signal
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import platformdirs

from clinic_lib.local.errors import StackError
from clinic_lib.local.program import Say
from clinic_lib.local.spawn import problem_of

__all__ = ["COMPLETE", "at_hand", "kept", "made", "main", "run"]

COMPLETE = "complete"


def kept(name: str) -> Path:
    """Where it is, once it was made."""
    return platformdirs.user_cache_path("clinic") / name


@contextmanager
def made(target: Path) -> Iterator[Path]:
    """A folder to work in: what is in its folder `complete` at the end becomes `target`."""
    target.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=target.name, dir=target.parent) as work:
        yield Path(work)
        try:
            Path(work, COMPLETE).rename(target)
        except OSError:
            if not target.exists():  # otherwise another process was faster
                raise


async def run(module: str, say: Say) -> None:
    """Run a module that makes it, in a process of its own, so that an end in the middle of it ends at once.

    Raises `StackError` with what it complained of last.
    """
    if problem := await problem_of(sys.executable, "-m", module, say=say):
        raise StackError(problem.splitlines()[-1])


async def at_hand(find: Callable[[], Path | None], module: str, why: str, say: Say) -> Path:
    """The program that `find` finds, once `module` was run where there is none; `why` is told before."""
    if program := find():
        return program
    say(why)
    await run(module, say)
    program = find()
    assert program is not None
    return program


def main(make: Callable[[], None]) -> None:
    """What such a module does when it is run."""
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))  # an end in the middle removes what was made
    try:
        make()
    except StackError as exc:
        sys.exit(str(exc))
