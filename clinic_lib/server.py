"""Runs one process of a service: `python -m clinic_lib.server package.module:app`.

HOST and PORT (127.0.0.1, 8080) say where. Processes share a port by SO_REUSEPORT.
"""

import os
import socket
import sys
from types import FrameType

import uvicorn
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from clinic_lib.admin import draining
from clinic_lib.errors import ClinicError

__all__ = ["main"]

# Of the five seconds in which a process ends; the rest is for the application's own end.
REQUESTS_END_WITHIN_S = 3
BACKLOG = 2048


def main() -> None:
    """Serves until SIGTERM or SIGINT.

    Exits with 1 and a sentence when the application's wiring is wrong, with 3 when it does not start.
    """
    config = uvicorn.Config(
        sys.argv[1],
        log_config=None,
        access_log=False,
        proxy_headers=False,
        lifespan="on",
        backlog=BACKLOG,
        timeout_graceful_shutdown=REQUESTS_END_WITHIN_S,
    )
    try:
        config.load()
    except ClinicError as exc:
        sys.exit(str(exc))
    config.loaded_app = _in_one_sentence(config.loaded_app)
    server = _Server(config)
    port = os.environ.get("PORT", "8080")
    if not port.isdecimal() or int(port) > 65535:
        sys.exit(f"PORT is {port!r}: it must be a number up to 65535")
    with _shared_port(os.environ.get("HOST", "127.0.0.1"), int(port)) as listener:
        server.run([listener])
    if not server.started:
        sys.exit(3)


class _Server(uvicorn.Server):
    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        draining.set()
        super().handle_exit(sig, frame)


def _in_one_sentence(app: ASGIApp) -> ASGIApp:
    """A wrong setting is told at start by its sentence, without the traceback."""

    async def application(scope: Scope, receive: Receive, send: Send) -> None:
        async def report(message: Message) -> None:
            if message["type"] == "lifespan.startup.failed":
                sentence = message["message"].strip().splitlines()[-1]
                message = {**message, "message": sentence.removeprefix("clinic_lib.errors.")}
            await send(message)

        try:
            await app(scope, receive, report if scope["type"] == "lifespan" else send)
        except ClinicError:
            if scope["type"] != "lifespan":
                raise

    return application


def _shared_port(host: str, port: int) -> socket.socket:
    listener = socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
    listener.bind((host, port))
    return listener


if __name__ == "__main__":
    main()
