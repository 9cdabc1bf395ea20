"""Which headers a request and its answer keep on their way through, and which are added."""

import re
import secrets
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

SET_BY_THE_CLIENT = frozenset({"host", "expect"})
SET_BY_THE_SERVER = frozenset({"date", "server", "x-request-id"})

REQUEST_ID = re.compile(r"[!-~]{1,128}")
TRACEPARENT = re.compile(r"00-(?!0{32})[0-9a-f]{32}-(?!0{16})[0-9a-f]{16}-[0-9a-f]{2}")
"""Source: https://www.w3.org/TR/trace-context/#traceparent-header"""


def request_id(request: Request) -> str:
    """The caller's `X-Request-Id`, or a new one."""
    given = request.headers.get("x-request-id", "")
    return given if REQUEST_ID.fullmatch(given) else uuid4().hex


def request_headers(request: Request, request_id: str) -> list[tuple[str, str]]:
    """What the service is to see: the caller's headers, who the caller was, and what this call belongs to."""
    added = {**_forwarded(request), "x-request-id": request_id}
    dropped = HOP_BY_HOP | SET_BY_THE_CLIENT | _named(request.headers.getlist("connection"))
    if not TRACEPARENT.fullmatch(request.headers.get("traceparent", "")):
        added["traceparent"] = f"00-{secrets.token_hex(16)}-{secrets.token_hex(8)}-01"
        dropped |= {"tracestate"}
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
