"""The stack's end of the Unix socket over which commands talk to it; see control.py for theirs."""

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

from clinic_lib.local.errors import StackError
from clinic_lib.local.folder import ClinicFolder
from clinic_lib.local.stack import Stack
from clinic_lib.local.status import Status

__all__ = ["control_server", "problems"]

Action = Callable[..., Awaitable[Status | None]]


@asynccontextmanager
async def control_server(folder: ClinicFolder, stack: Stack) -> AsyncIterator[None]:
    """Answers while the block runs."""

    async def report() -> Status:
        return stack.status()

    actions: dict[str, Action] = {
        "status": report,
        "start": stack.start,
        "stop": stack.stop,
        "scale": stack.scale,
    }

    async def reply(line: bytes) -> dict[str, object]:
        action, arguments = json.loads(line)
        try:
            return {"result": await actions[action](*arguments)}
        except* StackError as group:
            problem = "\n".join(problems(group))
        return {"problem": problem}

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.closing(writer), contextlib.suppress(ConnectionError):  # who asked may have gone
            writer.write(json.dumps(await reply(await reader.readline())).encode() + b"\n")
            await writer.drain()

    server = await asyncio.start_unix_server(answer, folder.socket)
    try:
        yield
    finally:
        server.close()


def problems(group: BaseExceptionGroup[StackError]) -> list[str]:
    """Each error's sentence, once."""
    found: dict[str, None] = {}
    for exc in group.exceptions:
        found |= dict.fromkeys(problems(exc) if isinstance(exc, BaseExceptionGroup) else [str(exc)])
    return list(found)
