"""The admin port: health, metrics and switches, apart from the public one and never exposed.

`live` says only that the event loop turns; no dependency is asked, so a database that is down restarts nobody.
"""

import asyncio
import hmac
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from contextlib import asynccontextmanager, contextmanager
from threading import Event

import uvicorn
from prometheus_client import REGISTRY
from prometheus_client.exposition import choose_encoder
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import BaseRoute, Mount, Route
from starlette.types import ASGIApp, Receive, Scope, Send

from clinic_lib.problems import http_exception, problem
from clinic_lib.settings import AdminSettings

__all__ = ["admin_server", "draining"]

draining = Event()
"""Set when the process was told to end: it is not ready from then on, whatever it still finishes."""

Ready = Callable[[], str | None]
"""Why the process can't serve now, or None when it can."""


@asynccontextmanager
async def admin_server(
    settings: AdminSettings, *, ready: Ready, routes: Sequence[BaseRoute] = ()
) -> AsyncIterator[None]:
    """Serve the admin port while the block runs. `routes` come under /admin, behind the token."""
    config = uvicorn.Config(
        _admin_app(settings, ready, routes),
        host=settings.admin_host,
        port=settings.admin_port,
        log_config=None,
        access_log=False,
        lifespan="off",
        timeout_graceful_shutdown=1,
    )
    server = _Server(config)
    task = asyncio.create_task(server.serve())
    try:
        yield
    finally:
        server.should_exit = True
        await asyncio.gather(task, return_exceptions=True)


class _Server(uvicorn.Server):
    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Signals belong to the server of the public port."""
        yield


def _admin_app(settings: AdminSettings, ready: Ready, routes: Sequence[BaseRoute]) -> Starlette:
    failing: set[str] = set()

    async def live(request: Request) -> Response:
        if failing:
            return problem(503, "liveness was made to fail by the admin switch")
        return JSONResponse({"status": "live"})

    async def is_ready(request: Request) -> Response:
        reason = "draining" if draining.is_set() else ready()
        return (
            problem(503, reason, headers={"Retry-After": "1"})
            if reason
            else JSONResponse({"status": "ready"})
        )

    async def metrics(request: Request) -> Response:
        encode, content_type = choose_encoder(request.headers.get("accept", ""))
        return Response(encode(REGISTRY), headers={"Content-Type": content_type})

    async def fail_liveness(request: Request) -> Response:
        failing.add("switch")
        return JSONResponse({"status": "failing"})

    async def mend_liveness(request: Request) -> Response:
        failing.clear()
        return JSONResponse({"status": "live"})

    admin = [
        Route("/liveness/failure", fail_liveness, methods=["POST"]),
        Route("/liveness/failure", mend_liveness, methods=["DELETE"]),
        *routes,
    ]
    return Starlette(
        routes=[
            Route("/health/live", live),
            Route("/health/ready", is_ready),
            Route("/metrics", metrics),
            Mount(
                "/admin",
                app=_guard(
                    settings, Starlette(routes=admin, exception_handlers={HTTPException: http_exception})
                ),
            ),
        ],
        exception_handlers={HTTPException: http_exception},
    )


def _guard(settings: AdminSettings, app: Starlette) -> ASGIApp:
    """Let in who carries the token; without a token in the settings, nobody."""
    token = settings.admin_token.get_secret_value() if settings.admin_token else ""

    async def guarded(scope: Scope, receive: Receive, send: Send) -> None:
        given = Request(scope).headers.get("authorization", "").removeprefix("Bearer ")
        if token and hmac.compare_digest(given.encode(), token.encode()):
            await app(scope, receive, send)
            return
        refusal = problem(
            401, "send Authorization: Bearer ADMIN_TOKEN", headers={"WWW-Authenticate": "Bearer"}
        )
        await refusal(scope, receive, send)

    return guarded
