"""Requests: each is counted and timed, by method, by the route's pattern and by status."""

from collections.abc import Iterable
from time import perf_counter

from starlette.types import ASGIApp, Receive, Scope, Send

from clinic_lib import metrics
from clinic_lib.http_trace import METHODS, SentAnswer, exemplar_of, is_probe

__all__ = ["HttpMetrics", "count_request", "expect_requests"]

FAILURES = ("500", "503")


def expect_requests(service: str, routes: Iterable[tuple[str, Iterable[str]]]) -> None:
    """Make the series of failed requests, by path and methods: one whose first value is 1 would not have grown."""
    for path, methods in routes:
        for method in METHODS & set(methods):
            for status in FAILURES:
                metrics.http_requests.labels(service, method, path, status)


def count_request(
    service: str,
    method: str,
    route: str,
    status: int,
    started: float,
    example: dict[str, str] | None = None,
) -> None:
    """Count a request that is answered; `started` is what `perf_counter` said at its beginning, `example` its trace."""
    method = method if method in METHODS else "other"
    metrics.http_requests.labels(service, method, route, str(status)).inc()
    metrics.http_seconds.labels(service, method, route).observe(perf_counter() - started, example)


class HttpMetrics:
    """ASGI middleware: counts and times requests by the route's pattern, so labels stay bounded.

    The kubelet's are left out: among them a quiet service's errors would be too small a share to tell anybody of.
    """

    def __init__(self, app: ASGIApp, service: str) -> None:
        self._app = app
        self._service = service

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or is_probe(scope):
            await self._app(scope, receive, send)
            return
        started, answer = perf_counter(), SentAnswer(send)
        try:
            await self._app(scope, receive, answer)
        finally:
            route = getattr(scope.get("route"), "path", "none")
            count_request(self._service, scope["method"], route, answer.status, started, exemplar_of(scope))
