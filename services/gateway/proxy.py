"""The proxy: a request goes to the service that owns its path; both bodies stream, nothing is kept."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from time import perf_counter

import aiohttp
from starlette.requests import Request
from starlette.responses import Response, StreamingResponse
from starlette.types import Receive, Scope, Send
from yarl import URL

from clinic_lib import tracing
from clinic_lib.http_trace import traceparent_of
from clinic_lib.logs import describe, logger
from clinic_lib.metrics import gateway_failures, gateway_seconds
from clinic_lib.otlp_encoding import Kind, Span
from clinic_lib.problems import problem
from services.gateway.headers import answer_headers, request_headers
from services.gateway.settings import GatewaySettings, Target

__all__ = ["Proxy"]

IDLE_SECONDS = 3
"""Shorter than a service keeps an idle connection, so that a POST does not meet one that just closed."""

LARGEST_BODY = 1024 * 1024
"""What a service takes. More is refused here: a service that stops reading looks broken from outside."""

log = logger(__name__)


class Body:
    """A request's body as a stream that ends with an error when it grows too large."""

    def __init__(self, request: Request) -> None:
        self._request = request
        self.size = int(request.headers.get("content-length", "0"))

    def is_too_large(self) -> bool:
        return self.size > LARGEST_BODY

    async def stream(self) -> AsyncIterator[bytes]:
        self.size = 0
        async for part in self._request.stream():
            self.size += len(part)
            if self.is_too_large():
                raise ValueError("the body is too large")
            yield part


class Answer(StreamingResponse):
    """A service's answer, passed on as it comes."""

    def __init__(self, upstream: aiohttp.ClientResponse, prefix: str) -> None:
        super().__init__(upstream.content.iter_any(), upstream.status)
        self.raw_headers = answer_headers(upstream.raw_headers)
        self._upstream = upstream
        self._prefix = prefix

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        async with self._upstream:
            try:
                await super().__call__(scope, receive, send)
            except aiohttp.ClientError as exc:
                # unfinished, so the server breaks the caller's connection: a short body must not look whole
                log.warning("gateway.answer_failed", route=self._prefix, error=describe(exc))


class Proxy:
    """Requests over pooled connections to the services.

    The client repeats a request only when its method is idempotent and a pooled connection turned out closed.
    """

    def __init__(self, session: aiohttp.ClientSession, name: str) -> None:
        self._session = session
        self._name = name

    @classmethod
    @asynccontextmanager
    async def open(cls, settings: GatewaySettings) -> AsyncIterator["Proxy"]:
        for prefix in settings.gateway_routes:
            gateway_failures.labels(
                settings.gateway_name, prefix
            )  # a series that is there shows its first rise
        connector = aiohttp.TCPConnector(
            limit=0, limit_per_host=settings.gateway_connections, keepalive_timeout=IDLE_SECONDS
        )
        timeout = aiohttp.ClientTimeout(
            connect=settings.gateway_connect_seconds, sock_read=settings.gateway_read_seconds
        )
        async with aiohttp.ClientSession(
            connector=connector,
            timeout=timeout,
            cookie_jar=aiohttp.DummyCookieJar(),
            auto_decompress=False,
            skip_auto_headers=("Accept", "Accept-Encoding", "Content-Type", "User-Agent"),
        ) as session:
            yield cls(session, settings.gateway_name)

    async def forward(self, request: Request, target: Target, request_id: str) -> Response:
        """The service's answer, or 503 when none begins."""
        prefix, origin = target
        body = Body(request)
        if body.is_too_large():
            return _too_large()
        started = perf_counter()
        traceparent, span = _call(request, origin)
        try:
            upstream = await self._session.request(
                request.method,
                _url(request, origin),
                headers=request_headers(request, request_id, traceparent),
                data=body.stream() if _has_body(request) else None,
                allow_redirects=False,
            )
        except (aiohttp.ClientError, TimeoutError) as exc:
            if span is not None:
                span.error = type(exc).__name__
            if body.is_too_large():
                return _too_large()
            gateway_failures.labels(self._name, prefix).inc()
            log.warning("gateway.request_failed", request_id=request_id, route=prefix, error=describe(exc))
            return problem(503, _why(exc, prefix), headers={"Retry-After": "1"})
        else:
            gateway_seconds.labels(self._name, prefix).observe(perf_counter() - started)
            if span is not None:
                span.attributes["http.response.status_code"] = upstream.status
            return Answer(upstream, prefix)
        finally:
            if span is not None:
                tracing.finish(span)


def _call(request: Request, origin: str) -> tuple[str | None, Span | None]:
    """The context that the service is given, and the span of the call to it when it is sampled."""
    traceparent = traceparent_of(request.scope)
    if traceparent is None or not tracing.is_sampled(traceparent):
        return traceparent, None
    span = tracing.child(traceparent, request.method, Kind.CLIENT)
    address = URL(origin)
    span.attributes = {"http.request.method": request.method, "server.address": address.host or ""}
    if address.port:
        span.attributes["server.port"] = address.port
    return span.traceparent, span


def _too_large() -> Response:
    return problem(413, "the body may have 1 MiB")


def _url(request: Request, origin: str) -> URL:
    """Path and query as they came: nothing is decoded or encoded again."""
    query: bytes = request.scope["query_string"]
    target: bytes = request.scope["raw_path"] + (b"?" + query if query else b"")
    return URL(origin + target.decode("ascii"), encoded=True)


def _has_body(request: Request) -> bool:
    return "transfer-encoding" in request.headers or request.headers.get("content-length", "0") != "0"


def _why(error: Exception, prefix: str) -> str:
    if isinstance(error, aiohttp.ClientConnectorError | aiohttp.ConnectionTimeoutError):
        return f"the service behind {prefix} is down"
    return f"the service behind {prefix} did not answer; the request may have had its effect"
