"""Processes that do not outlive this one."""

import asyncio
import ctypes
import signal
import sys
from asyncio.subprocess import DEVNULL, PIPE, Process
from pathlib import Path

from clinic_lib.local.program import Say

__all__ = ["die_with_parent", "problem_of"]

PR_SET_PDEATHSIG = 1
_libc = ctypes.CDLL(None) if sys.platform == "linux" else None


def die_with_parent() -> None:
    """Runs in the child before its program: Linux kills it when its parent ends, however that ends."""
    if _libc is not None:
        _libc.prctl(PR_SET_PDEATHSIG, signal.SIGKILL)


async def problem_of(
    *command: str, folder: Path | None = None, user: str | None = None, say: Say | None = None
) -> str | None:
    """Runs a command to its end, and tells each line of its output: what it complains of when it fails."""
    process = await asyncio.create_subprocess_exec(
        *command,
        cwd=folder,
        user=user,
        stdin=DEVNULL,
        stdout=PIPE,
        stderr=PIPE,
        preexec_fn=die_with_parent,
    )
    assert process.stderr
    try:
        _, complaints = await asyncio.gather(_tell(process, say), process.stderr.read())
    except asyncio.CancelledError:
        process.terminate()
        raise
    finally:
        failed = await process.wait()
    return complaints.decode(errors="replace").strip() if failed else None


async def _tell(process: Process, say: Say | None) -> None:
    assert process.stdout
    async for line in process.stdout:
        if say:
            say(line.decode(errors="replace").strip())
