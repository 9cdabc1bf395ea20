"""RFC 9457 problem details: every error a client sees has this one shape."""

from collections.abc import Mapping, Sequence
from http import HTTPStatus
from typing import Any

import orjson
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response

from clinic_lib.errors import CommandError, InvalidError, UnavailableError

__all__ = ["PROBLEM_SCHEMA", "http_exception", "problem", "problem_of", "server_error", "title_of"]

PROBLEM_SCHEMA = {
    "type": "object",
    "required": ["type", "title", "status", "detail"],
    "properties": {
        "type": {"type": "string", "format": "uri-reference"},
        "title": {"type": "string"},
        "status": {"type": "integer"},
        "detail": {"type": "string"},
        "errors": {
            "type": "array",
            "items": {
                "type": "object",
                "properties": {"field": {"type": "string"}, "detail": {"type": "string"}},
            },
        },
    },
}


TITLES = {413: "Content Too Large", 422: "Unprocessable Content"}
"""RFC 9110's names, which Python's `http` has from 3.13 on."""


def title_of(status: int) -> str:
    return TITLES.get(status) or HTTPStatus(status).phrase


def problem(
    status: int,
    detail: str,
    *,
    headers: Mapping[str, str] | None = None,
    errors: Sequence[Mapping[str, str]] = (),
) -> Response:
    """An `application/problem+json` answer; `errors` lists each wrong field."""
    content: dict[str, Any] = {
        "type": "about:blank",
        "title": title_of(status),
        "status": status,
        "detail": detail,
    }
    if errors:
        content["errors"] = list(errors)
    body = orjson.dumps(content)
    return Response(body, status, headers=dict(headers or {}), media_type="application/problem+json")


def problem_of(error: Exception) -> Response:
    """The answer to an error of a command; what is not ours is a 500 that gives nothing away."""
    match error:
        case UnavailableError():
            return problem(error.status, error.detail, headers={"Retry-After": str(error.retry_after)})
        case InvalidError():
            return problem(error.status, error.detail, errors=error.errors)
        case CommandError():
            return problem(error.status, error.detail)
        case _:
            return problem(500, "the service failed; the error is in its log")


async def http_exception(request: Request, error: Exception) -> Response:
    """Starlette's own refusals: unknown path, wrong method."""
    assert isinstance(error, HTTPException)
    details = {
        404: f"there is nothing at {request.url.path}",
        405: f"{request.method} is not allowed at {request.url.path}",
    }
    detail = details.get(error.status_code, str(error.detail))
    return problem(error.status_code, detail, headers=error.headers)


async def server_error(request: Request, error: Exception) -> Response:
    return problem_of(error)
