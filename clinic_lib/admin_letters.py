"""Dead letters on the admin port: list, show, redrive, discard."""

import logging
import re
from typing import Any

import orjson
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route

from clinic_lib import letter_queue
from clinic_lib.errors import CommandError, InvalidError, NotFoundError, TransientError, UnavailableError
from clinic_lib.letter_queue import StoredLetter
from clinic_lib.problems import problem_of
from clinic_lib.queries import (
    DEFAULT_LIMIT,
    FILTER_TEXT,
    LARGEST_ID,
    LARGEST_LIMIT,
    ResourceId,
    number_parameter,
)
from clinic_lib.redrive import Redriver
from clinic_lib.storage import SCHEMA, Database

__all__ = ["following", "guarded", "json", "letter_routes", "page", "text_parameter"]

log = logging.getLogger(__name__)

STATES = ("failed", "retrying", "waiting", "malformed")

COLUMNS = """
id, state, key, type, message_id, topic, partition, "offset", handler, error, attempts, retry_at, created_at
"""
NAMES = tuple(name.strip(' "') for name in COLUMNS.strip().split(","))

LIST = f"""
select {COLUMNS} from {SCHEMA}.dead_letter
where id < $1 and ($2::text is null or state = $2) and ($3::text is null or key = $3) order by id desc limit $4
"""

SHOW = f"""
select {COLUMNS}, record_headers::text, record_key, record_value, traceback
from {SCHEMA}.dead_letter where id = $1
"""


def letter_routes(database: Database, redriver: Redriver) -> list[BaseRoute]:
    """Under /admin; what does not exist is a 404, a database that is away a 503."""

    async def many(request: Request) -> Response:
        state = request.query_params.get("state")
        if state not in (None, *STATES):
            raise InvalidError(f"state: one of {', '.join(STATES)}")
        limit, before = page(request)
        async with database.session() as session:
            rows = await session.fetch(LIST, before, state, text_parameter(request, "key"), limit + 1)
        items = [dict(zip(NAMES, row, strict=True)) for row in rows]
        return json({"items": items[:limit], "next": following(request, items, limit)})

    async def one(request: Request) -> Response:
        async with database.session() as session:
            rows = await session.fetch(SHOW, _id(request))
        if not rows:
            raise NotFoundError(f"there is no dead letter {_id(request)}")
        *columns, headers, key, value, trace = rows[0]
        shown = {
            "headers": orjson.loads(headers),
            "record_key": key and key.decode(errors="backslashreplace"),
            "value": _readable(value),
            "traceback": trace,
        }
        return json(dict(zip(NAMES, columns, strict=True)) | shown)

    async def redrive(request: Request) -> Response:
        return json(await redriver.redrive(await _stored(database, request)))

    async def redrive_some(request: Request) -> Response:
        key = text_parameter(request, "key")
        return json(await (redriver.redrive_all() if key is None else redriver.redrive_key(key)))

    async def discard(request: Request) -> Response:
        letter = await _stored(database, request)
        outcome = await redriver.discard(letter)
        return json({"key": letter.parked_key, "handled": outcome.handled, "remaining": outcome.remaining})

    return [
        Route("/dead-letters", guarded(many)),
        Route("/dead-letters/redrive", guarded(redrive_some), methods=["POST"]),
        Route("/dead-letters/{id}", guarded(one)),
        Route("/dead-letters/{id}", guarded(discard), methods=["DELETE"]),
        Route("/dead-letters/{id}/redrive", guarded(redrive), methods=["POST"]),
    ]


def guarded(answer: Any) -> Any:
    """An endpoint whose errors are problems."""

    async def endpoint(request: Request) -> Response:
        try:
            response: Response = await answer(request)
        except TransientError:
            return problem_of(UnavailableError("the database can't be reached"))
        except CommandError as exc:
            return problem_of(exc)
        except Exception as exc:
            log.exception("admin.request failed: %s", request.url.path)
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


def _id(request: Request) -> int:
    value = ResourceId.parse(request.path_params["id"])
    if value is None:
        raise NotFoundError(f"there is no dead letter {request.path_params['id']}")
    return value


async def _stored(database: Database, request: Request) -> StoredLetter:
    letter = await letter_queue.stored(database, _id(request))
    if letter is None:
        raise NotFoundError(f"there is no dead letter {_id(request)}")
    return letter


def _readable(value: bytes | None) -> object:
    if value is None:
        return None
    try:
        return orjson.loads(value)
    except ValueError:
        return value.decode(errors="backslashreplace")
