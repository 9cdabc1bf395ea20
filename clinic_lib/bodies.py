"""Bodies of requests: read up to a limit, and made a command or told what is wrong with them."""

import json

from pydantic import ValidationError
from pydantic_core import ErrorDetails
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response

from clinic_lib.errors import InvalidError
from clinic_lib.messages import Command
from clinic_lib.problems import problem, problem_of

__all__ = ["invalid", "read_body", "validate_body"]

LARGEST_BODY = 1024 * 1024


async def read_body(request: Request) -> bytes | Response:
    too_large = problem(413, "the body may have 1 MiB", headers={"Connection": "close"})
    declared = request.headers.get("content-length", "0")
    if declared.isdigit() and int(declared) > LARGEST_BODY:
        return too_large
    parts, size = [], 0
    try:
        async for part in request.stream():
            size += len(part)
            if size > LARGEST_BODY:
                return too_large
            parts.append(part)
    except ClientDisconnect:
        return problem(400, "the body ended early")
    return b"".join(parts)


def validate_body(model: type[Command], body: bytes) -> Command | Response:
    """400 for what is no JSON, 422 for JSON that breaks the model: strict JSON has no NaN and ends somewhere."""
    try:
        return model.model_validate_json(body)
    except ValidationError as exc:
        failed = exc
    try:
        json.loads(body.decode(), parse_constant=_refuse_constant, parse_int=str)
    except (ValueError, RecursionError):
        return problem(400, "the body is not valid JSON")
    return problem_of(invalid(failed))


def invalid(failed: ValidationError) -> InvalidError:
    errors = [
        {"field": ".".join(str(part) for part in error["loc"]) or "body", "detail": _said(error)}
        for error in failed.errors(include_url=False, include_input=False, include_context=False)
    ]
    return InvalidError("; ".join(f"{e['field']}: {e['detail']}" for e in errors), errors)


def _said(error: ErrorDetails) -> str:
    if error["type"] == "string_pattern_mismatch":
        return "must have no control characters, and something to read"
    return error["msg"].removeprefix("Value error, ")


def _refuse_constant(name: str) -> None:
    raise ValueError(name)
