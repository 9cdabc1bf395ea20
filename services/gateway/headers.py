"""Which headers a request and its answer keep on their way through, and which are added."""

import re
from collections.abc import Iterable
from uuid import uuid4

from starlette.requests import Request

__all__ = ["answer_headers", "request_headers", "request_id"]

HOP_BY_HOP = frozenset(
    {
        "connection",
        "keep-alive",
        "proxy-authenticate",
        "proxy-authorization",
        "proxy-connection",
        "te",
        "trailer",
        "transfer-encoding",
        "upgrade",
    }
)
"""They concern one connection only. Source: https://www.rfc-editor.org/rfc/rfc9110#section-7.6.1"""

SET_BY_THE_CLIENT = frozenset({"host", "expect", "traceparent"})
NOT_PASSED_ON = frozenset({"baggage"})
"""What callers tell of themselves for others' traces: nobody here asked for it."""

SET_BY_THE_SERVER = frozenset({"date", "server", "x-request-id"})

REQUEST_ID = re.compile(r"[!-~]{1,128}")


def request_id(request: Request) -> str:
    """The caller's `X-Request-Id`, or a new one."""
    given = request.headers.get("x-request-id", "")
    return given if REQUEST_ID.fullmatch(given) else uuid4().hex


def request_headers(request: Request, request_id: str, traceparent: str | None) -> list[tuple[str, str]]:
    """What the service is to see: the caller's headers, who the caller was, and what this call belongs to."""
    added = {**_forwarded(request), "x-request-id": request_id}
    dropped = HOP_BY_HOP | SET_BY_THE_CLIENT | NOT_PASSED_ON | _named(request.headers.getlist("connection"))
    if traceparent is not None:
        added["traceparent"] = traceparent
    if traceparent is None or traceparent[:35] != request.headers.get("traceparent", "")[:35]:
        dropped |= {"tracestate"}  # it is another trace's
    passed_on = [
        (name.decode("ascii"), value.decode("utf-8", "replace")) for name, value in request.headers.raw
    ]
    return [header for header in passed_on if header[0] not in dropped | added.keys()] + list(added.items())


def answer_headers(raw: Iterable[tuple[bytes, bytes]]) -> list[tuple[bytes, bytes]]:
    """What the caller is to see of a service's headers, repeated ones included."""
    headers = [(name.lower(), value) for name, value in raw]
    named = _named(value.decode("latin-1") for name, value in headers if name == b"connection")
    dropped = HOP_BY_HOP | SET_BY_THE_SERVER | named
    return [(name, value) for name, value in headers if name.decode("latin-1") not in dropped]


def _named(connection: Iterable[str]) -> set[str]:
    """The headers that a `Connection` header says belong to this connection only."""
    return {name.strip().lower() for value in connection for name in value.split(",")}


def _forwarded(request: Request) -> dict[str, str]:
    hops = request.headers.getlist("x-forwarded-for")
    if request.client:
        hops = [*hops, request.client.host]
    return {
        "x-forwarded-for": ", ".join(hops),
        "x-forwarded-host": request.headers.get("x-forwarded-host", request.headers.get("host", "")),
        "x-forwarded-proto": request.headers.get("x-forwarded-proto", request.url.scheme),
    }
