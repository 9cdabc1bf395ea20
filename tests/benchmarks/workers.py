"""Starts workers, asks them, and ends them: what a benchmark holds of the processes it measures."""

import asyncio
import json
import sys
from asyncio.subprocess import PIPE, Process
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from signal import Signals
from typing import Any

from clinic_lib.local.spawn import die_with_parent
from tests.benchmarks.ground import PROJECT, Run, environment, in_full
from tests.benchmarks.worker import Wanted
from tests.benchmarks.workload import RunError

__all__ = ["Workers", "ending", "programs", "started"]

ENDS_WITHIN_S = 15.0
SERVES_WITHIN_S = 60.0
NOTICED_WITHIN_S = 1.0


class Workers:
    """All worker processes of a run."""

    def __init__(self, processes: Sequence[Process]) -> None:
        self._processes = processes

    @property
    def pids(self) -> list[int]:
        return [process.pid for process in self._processes]

    async def cpu(self) -> float:
        """Seconds of CPU that all of them have taken."""
        return sum(usage["cpu"] for usage in await self.usages())

    async def memory(self) -> int:
        return int(sum(usage["memory"] for usage in await self.usages()))

    async def usages(self) -> list[dict[str, float]]:
        return list(await asyncio.gather(*(ask(process, "usage") for process in self._processes)))

    async def place(self, sagas: int, records: int, processes: Sequence[int], size: int = 0) -> None:
        """Orders in groups of `records`, divided among the processes that hold the order's service."""
        share = sagas // len(processes)
        starts = [n * share for n in range(len(processes))] + [sagas]
        await asyncio.gather(
            *(
                ask(self._processes[n], "place", first=first, last=last, records=records, size=size)
                for n, first, last in zip(processes, starts[:-1], starts[1:], strict=True)
            )
        )


@asynccontextmanager
async def started(run: Run, wanted: Sequence[Wanted]) -> AsyncIterator[Workers]:
    """Processes that serve inside the block and have ended after it. Raises `RunError` when one does not."""
    commands = [(sys.executable, "-m", "tests.benchmarks.worker", each.to_json()) for each in wanted]
    async with programs(run, commands) as workers:
        yield workers


@asynccontextmanager
async def programs(run: Run, commands: Sequence[Sequence[str]]) -> AsyncIterator[Workers]:
    """Programs that answer as workers do. Raises `RunError` as soon as one ends by itself."""
    processes: list[Process] = []
    try:
        for each in commands:
            processes.append(await _start(run, each))  # noqa: PERF401 - those that were started are ended
        await _until_all_serve(processes)
        async with _need_alive(processes):
            yield Workers(processes)
    finally:
        await in_full(_end_all(processes))


@asynccontextmanager
async def _need_alive(processes: Sequence[Process]) -> AsyncIterator[None]:
    ends = [asyncio.ensure_future(process.wait()) for process in processes]
    try:
        async with asyncio.timeout(None) as block:
            for end in ends:
                end.add_done_callback(lambda end: None if end.cancelled() else block.reschedule(0))
            yield
    except OSError:  # of the block's own time, or of a connection to a process that is ending
        await asyncio.wait(ends, timeout=NOTICED_WITHIN_S, return_when=asyncio.FIRST_COMPLETED)
        for process in processes:
            if process.returncode is not None:
                raise _ended(process) from None
        raise
    finally:
        for end in ends:
            end.cancel()


async def _until_all_serve(processes: Sequence[Process]) -> None:
    try:
        async with asyncio.timeout(SERVES_WITHIN_S):
            await asyncio.gather(*(_answer(process) for process in processes))
    except TimeoutError:
        raise RunError(
            f"a process that was to be measured did not serve within {SERVES_WITHIN_S:g} s"
        ) from None


async def ask(process: Process, what: str, **arguments: Any) -> dict[str, float]:
    assert process.stdin
    process.stdin.write(json.dumps({"do": what, **arguments}).encode() + b"\n")
    return await _answer(process)


async def _start(run: Run, command: Sequence[str]) -> Process:
    return await asyncio.create_subprocess_exec(
        *command,
        cwd=PROJECT,
        env=environment(run.environment),
        stdin=PIPE,
        stdout=PIPE,
        start_new_session=True,
        preexec_fn=die_with_parent,
    )


async def _answer(process: Process) -> dict[str, float]:
    assert process.stdout
    line = await process.stdout.readline()
    if not line:
        await process.wait()
        raise _ended(process)
    answer: dict[str, float] = json.loads(line)
    return answer


def _ended(process: Process) -> RunError:
    return RunError(f"process {process.pid}, which was measured, {ending(process)}")


def ending(process: Process) -> str:
    """How a process ended, in words."""
    code = process.returncode or 0
    return f"was ended by {Signals(-code).name}" if code < 0 else f"ended with exit code {code}"


async def _end_all(processes: Sequence[Process]) -> None:
    await asyncio.gather(*(_end(process) for process in processes))


async def _end(process: Process) -> None:
    assert process.stdin
    process.stdin.close()
    try:
        async with asyncio.timeout(ENDS_WITHIN_S):
            await process.wait()
    except TimeoutError:
        process.kill()
        await process.wait()
