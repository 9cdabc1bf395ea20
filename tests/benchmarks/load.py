"""HTTP load: connections that are kept open, and a client that costs little beside what it measures."""

import asyncio
import re
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from math import ceil
from statistics import median
from time import perf_counter
from typing import cast

import orjson

__all__ = ["Load", "closed_loop", "connections", "get", "medians", "open_loop", "percentile", "post"]

CLOSED = "the server has closed the connection"
LENGTH = re.compile(rb"content-length: *(\d+)", re.IGNORECASE)


class Connection(asyncio.Protocol):
    """One keep-alive connection, with one request under way at a time."""

    def __init__(self) -> None:
        self._transport: asyncio.Transport | None = None
        self._buffer = b""
        self._answer: asyncio.Future[int] | None = None
        self._closed = asyncio.Event()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)  # uvloop's is none of asyncio's

    def data_received(self, data: bytes) -> None:
        self._buffer += data
        head, end, body = self._buffer.partition(b"\r\n\r\n")
        if not end:
            return
        length = LENGTH.search(head)
        if len(body) >= (int(length[1]) if length else 0):
            self._buffer = b""
            if self._answer and not self._answer.done():
                self._answer.set_result(int(head[9:12]))

    def connection_lost(self, exc: Exception | None) -> None:
        self._closed.set()
        if self._answer and not self._answer.done():
            self._answer.set_exception(exc or ConnectionResetError(CLOSED))

    async def send(self, request: bytes) -> int:
        """The status of the answer. Raises `ConnectionResetError` when the server has closed the connection."""
        if self._closed.is_set():
            raise ConnectionResetError(CLOSED)
        assert self._transport
        self._answer = asyncio.get_running_loop().create_future()
        self._transport.write(request)
        return await self._answer

    async def close(self) -> None:
        if self._transport:
            self._transport.close()
            await self._closed.wait()


@dataclass
class Load:
    """What came of it: seconds of each answered request in the order of the answers, and what was refused."""

    seconds: float = 0.0
    latencies: list[float] = field(default_factory=list)
    failures: int = 0

    @property
    def per_second(self) -> float:
        return len(self.latencies) / self.seconds

    def to_json(self) -> dict[str, float]:
        """Latencies in milliseconds."""
        return {
            "requests": len(self.latencies),
            "failures": self.failures,
            "per_second": self.per_second,
            "p50_ms": percentile(self.latencies, 0.5) * 1e3,
            "p99_ms": percentile(self.latencies, 0.99) * 1e3,
        }


def medians(told: Sequence[Mapping[str, float]]) -> dict[str, float]:
    """Of each figure by itself, over runs of the same."""
    return {name: median(each[name] for each in told) for name in told[0]}


def percentile(values: Sequence[float], share: float) -> float:
    """The nearest rank: the least value that `share` of all do not exceed. 0 of nothing."""
    ordered = sorted(values)
    return ordered[ceil(len(ordered) * share) - 1] if ordered else 0.0


@asynccontextmanager
async def connections(port: int, number: int) -> AsyncIterator[list[Connection]]:
    loop = asyncio.get_running_loop()
    opened = [(await loop.create_connection(Connection, "127.0.0.1", port))[1] for _ in range(number)]
    try:
        yield opened
    finally:
        for connection in opened:
            await connection.close()


async def closed_loop(clients: Sequence[Connection], seconds: float, request: Callable[[], bytes]) -> Load:
    """Each client sends its next request when it has the answer to the last one."""
    load, started = Load(), perf_counter()

    async def client(connection: Connection) -> None:
        while perf_counter() < started + seconds:
            sent = perf_counter()
            status = await connection.send(request())
            load.latencies.append(perf_counter() - sent)
            load.failures += status >= 400

    await asyncio.gather(*map(client, clients))
    load.seconds = perf_counter() - started
    return load


async def open_loop(
    clients: Sequence[Connection], rate: float, seconds: float, request: Callable[[int, float], bytes]
) -> Load:
    """A request every 1/`rate` seconds, whether earlier ones are answered or not: a late one counts from when it was
    due. `request` is given its number and that time.
    """
    load, started, number = Load(), perf_counter(), 0
    total = int(rate * seconds)

    async def client(connection: Connection) -> None:
        nonlocal number
        while number < total:
            mine, number = number, number + 1
            due = started + mine / rate
            await asyncio.sleep(due - perf_counter())
            status = await connection.send(request(mine, due))
            load.latencies.append(perf_counter() - due)
            load.failures += status >= 400

    await asyncio.gather(*map(client, clients))
    load.seconds = perf_counter() - started
    return load


def post(path: str, body: object) -> bytes:
    content = orjson.dumps(body)
    return (
        f"POST {path} HTTP/1.1\r\nhost: 127.0.0.1\r\ncontent-type: application/json\r\n"
        f"content-length: {len(content)}\r\n\r\n"
    ).encode() + content


def get(path: str) -> bytes:
    return f"GET {path} HTTP/1.1\r\nhost: 127.0.0.1\r\n\r\n".encode()
