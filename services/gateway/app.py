"""The gateway's wiring: one entry for every service's business paths."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from time import perf_counter

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from clinic_lib.admin import admin_server
from clinic_lib.http_metrics import count_request, expect_requests
from clinic_lib.http_trace import TraceRequests, exemplar_of, name_route
from clinic_lib.logs import configure_logging
from clinic_lib.metrics import say_version
from clinic_lib.problems import http_exception
from clinic_lib.settings import load_settings
from clinic_lib.tracing import tracing
from services.gateway.headers import request_id
from services.gateway.proxy import Proxy
from services.gateway.settings import GatewaySettings


@asynccontextmanager
async def lifespan(app: Starlette) -> AsyncIterator[dict[str, object]]:
    settings = load_settings(GatewaySettings)
    configure_logging(settings.log_level)
    say_version(settings.gateway_name)
    expect_requests(settings.gateway_name, ((path, ("GET", "POST")) for path in settings.gateway_routes))
    async with (
        tracing(settings.gateway_name),
        Proxy.open(settings) as proxy,
        admin_server(settings, ready=lambda: None),
    ):
        yield {"settings": settings, "proxy": proxy}


async def forward(request: Request) -> Response:
    started = perf_counter()
    identity = request_id(request)
    settings: GatewaySettings = request.state.settings
    target = settings.target(request.scope["raw_path"].decode("ascii"))
    if target is None:
        response = await http_exception(request, HTTPException(404))
    else:
        response = await request.state.proxy.forward(request, target, identity)
    response.headers["x-request-id"] = identity
    name_route(request.scope, target[0] if target else "")
    route, example = target[0] if target else "none", exemplar_of(request.scope)
    count_request(settings.gateway_name, request.method, route, response.status_code, started, example)
    return response


app = Starlette(
    # no methods are named: which ones a path knows is its service's affair
    routes=[Route("/{path:path}", forward, methods=())],
    exception_handlers={HTTPException: http_exception},
    lifespan=lifespan,
)
app.add_middleware(TraceRequests)
