"""What every call of the admin port shares: paging, parameters, JSON, and errors that are problems."""

import re
from collections.abc import Awaitable, Callable
from typing import Any

import orjson
from starlette.requests import Request
from starlette.responses import Response

from clinic_lib.errors import CommandError, InvalidError, TransientError, UnavailableError
from clinic_lib.logs import logger
from clinic_lib.problems import problem_of
from clinic_lib.queries import DEFAULT_LIMIT, FILTER_TEXT, LARGEST_ID, LARGEST_LIMIT, number_parameter

__all__ = ["following", "guarded", "json", "page", "text_parameter"]

log = logger(__name__)

Endpoint = Callable[[Request], Awaitable[Response]]


def guarded(answer: Endpoint) -> Endpoint:
    """An endpoint whose errors are problems."""

    async def endpoint(request: Request) -> Response:
        try:
            response = await answer(request)
        except TransientError:
            return problem_of(UnavailableError("the database can't be reached"))
        except CommandError as exc:
            return problem_of(exc)
        except Exception as exc:
            log.exception("admin.request_failed", route=getattr(request.scope.get("route"), "path", ""))
            return problem_of(exc)
        return response

    return endpoint


def page(request: Request) -> tuple[int, int]:
    """How many, and before which id. Raises `InvalidError`."""
    limit = number_parameter(request, "limit", DEFAULT_LIMIT, LARGEST_LIMIT)
    return limit, number_parameter(request, "before", LARGEST_ID, LARGEST_ID)


def text_parameter(request: Request, name: str) -> str | None:
    """None when it is not given. Raises `InvalidError` for control characters, which no row holds."""
    text = request.query_params.get(name)
    if text is not None and not re.fullmatch(FILTER_TEXT, text):
        raise InvalidError(f"{name}: no control characters")
    return text


def following(request: Request, items: list[dict[str, Any]], limit: int) -> str | None:
    """The next page's address, relative, when there is one."""
    if len(items) <= limit:
        return None
    return "?" + request.url.include_query_params(before=items[limit - 1]["id"]).query


def json(content: object) -> Response:
    return Response(orjson.dumps(content, default=str), media_type="application/json")  # the driver's UUIDs
