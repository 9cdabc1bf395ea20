"""Two services to put behind the gateway: one that answers what it was asked, one that misbehaves."""

import asyncio
import socketserver
import threading
from collections import Counter
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager

import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response, StreamingResponse
from starlette.routing import Route


class Echo:
    """Answers every path with what arrived; `/receptions/slow` streams its answer in two halves."""

    def __init__(self) -> None:
        self.first_part_arrived = threading.Event()
        self.second_half_wanted = threading.Event()
        self.app = Starlette(
            routes=[
                Route("/receptions/slow", self.slow),
                Route("/receptions/created", self.created, methods=["POST"]),
                Route("/{path:path}", self.echo, methods=()),
            ]
        )

    async def echo(self, request: Request) -> Response:
        size = 0
        async for part in request.stream():
            size += len(part)
            if part:
                self.first_part_arrived.set()
        target = request.scope["raw_path"].decode() + "?" + request.scope["query_string"].decode()
        headers = [[name.decode(), value.decode()] for name, value in request.headers.raw]
        return JSONResponse({"method": request.method, "target": target, "headers": headers, "size": size})

    async def slow(self, request: Request) -> Response:
        return StreamingResponse(self._halves(), headers={"X-Accel-Buffering": "no"})

    async def _halves(self) -> AsyncIterator[bytes]:
        yield b"first"
        await asyncio.to_thread(self.second_half_wanted.wait, 5)
        yield b"second"

    async def created(self, request: Request) -> Response:
        headers = {"Location": "/receptions/1", "Connection": "close, X-Private", "X-Private": "1"}
        response = Response(b"{}", 201, headers, media_type="application/json")
        response.headers.append("Set-Cookie", "a=1")
        response.headers.append("Set-Cookie", "b=2")
        return response


class Misbehaving(socketserver.ThreadingTCPServer):
    """Speaks HTTP by hand. The last part of a path says what goes wrong; `seen` counts the requests."""

    daemon_threads = True
    block_on_close = False

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Conversation)
        self.seen: Counter[str] = Counter()


class Conversation(socketserver.StreamRequestHandler):
    server: Misbehaving

    def handle(self) -> None:
        answered = False
        while head := self.read_head():
            name = head.split()[1].decode().rpartition("/")[2]
            self.server.seen[name] += 1
            match name:
                case "half":
                    self.wfile.write(b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nhalf")
                case "half-chunked":
                    self.wfile.write(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nhalf\r\n")
                case "garbage":
                    self.wfile.write(b"no HTTP at all\r\n\r\n")
                case "hang":
                    threading.Event().wait(5)
                case "once-per-connection" if not answered:
                    self.wfile.write(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")
                    answered = True
                    continue
            return

    def read_head(self) -> bytes:
        head = first = self.rfile.readline()
        length = 0
        while (line := self.rfile.readline()) not in (b"\r\n", b""):
            head += line
            if line.lower().startswith(b"content-length:"):
                length = int(line.split(b":")[1])
        self.rfile.read(length)
        return first and head


@contextmanager
def misbehaving() -> Iterator[Misbehaving]:
    with Misbehaving() as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield server
        server.shutdown()


@contextmanager
def serving(app: Starlette) -> Iterator[int]:
    """Serves `app` on a free port, which it yields."""
    server = uvicorn.Server(uvicorn.Config(app, port=0, log_config=None, lifespan="off"))
    thread = threading.Thread(target=server.run, daemon=True)
    thread.start()
    while not server.started:
        thread.join(0.01)
    yield server.servers[0].sockets[0].getsockname()[1]
    server.should_exit = True
    thread.join(5)
