"""Requests: their trace, and the name by which their lines in the log are found."""

from collections.abc import Mapping

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from clinic_lib import tracing
from clinic_lib.logs import subject, trace_fields
from clinic_lib.messages import valid_traceparent
from clinic_lib.otlp_encoding import Kind

__all__ = [
    "METHODS",
    "SentAnswer",
    "TraceRequests",
    "exemplar_of",
    "is_probe",
    "name_route",
    "traceparent_of",
]

TRACEPARENT = "clinic.traceparent"
ROUTE = "clinic.route"
PROBE = b"kube-probe/"
METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "CONNECT"})
"""A caller may send any word as a method: what is none of these is told as another."""


def traceparent_of(scope: Scope) -> str | None:
    """The context of what a request causes."""
    found: str | None = scope.get(TRACEPARENT)
    return found


def exemplar_of(scope: Scope) -> dict[str, str] | None:
    """What a metric of this request shows as its example."""
    return tracing.exemplar(traceparent_of(scope))


def name_route(scope: Scope, route: str) -> None:
    """For an application whose routes are not Starlette's; an empty one is a path that nobody knows."""
    scope[ROUTE] = route


def is_probe(scope: Scope) -> bool:
    """Whether the kubelet asks: nobody notices what it is answered, so it is no request of a caller's.

    The mesh's proxy passes the header on. Source: https://kubernetes.io/docs/concepts/configuration/liveness-readiness-startup-probes/
    """
    for name, value in scope["headers"]:
        if name == b"user-agent":
            return bool(value.startswith(PROBE))
    return False


class SentAnswer:
    """An answer on its way out; its status is 500 until another one is sent."""

    def __init__(self, send: Send) -> None:
        self.status = 500
        self._send = send

    async def __call__(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            self.status = message["status"]
        await self._send(message)


class _Request:
    """A request that is in hand."""

    def __init__(self, traceparent: str | None) -> None:
        self._traceparent = traceparent

    def log_fields(self) -> Mapping[str, object]:
        return trace_fields(self._traceparent)


class TraceRequests:
    """ASGI middleware: goes on with the caller's trace, or begins one; a span for each request that is sampled.

    A `traceparent` that is none is taken for none, and the span says nothing of path, query or body: what stands
    there may be personal.
    """

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or is_probe(scope):
            await self._app(scope, receive, send)
            return
        traceparent, span = tracing.enter(_given(scope), "", Kind.SERVER)
        scope[TRACEPARENT] = traceparent
        subject.set(_Request(traceparent))
        if span is None:
            await self._app(scope, receive, send)
            return
        answer = SentAnswer(send)
        try:
            await self._app(scope, receive, answer)
        finally:
            method, route = _method(scope), _route(scope)
            span.name = f"{method} {route}" if route else method
            span.attributes |= {"http.request.method": method, "http.response.status_code": answer.status}
            if route:
                span.attributes["http.route"] = route
            if answer.status >= 500:
                span.error = str(answer.status)
            tracing.finish(span)


def _given(scope: Scope) -> str | None:
    """The caller's context: two of them are none."""
    given = [value for name, value in scope["headers"] if name == b"traceparent"]
    return valid_traceparent(given[0].decode("latin-1")) if len(given) == 1 else None


def _method(scope: Scope) -> str:
    method: str = scope["method"]
    return method if method in METHODS else "_OTHER"


def _route(scope: Scope) -> str:
    """The pattern, never the path: one that the application named, else the route's own."""
    return str(scope[ROUTE] if ROUTE in scope else getattr(scope.get("route"), "path", ""))
