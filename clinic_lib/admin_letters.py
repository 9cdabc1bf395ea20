"""Dead letters on the admin port: list, show, redrive, discard."""

from typing import get_args

import orjson
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route

from clinic_lib import letter_queue
from clinic_lib.admin_answers import following, guarded, json, page, text_parameter
from clinic_lib.dead_letter import LetterState
from clinic_lib.errors import InvalidError, NotFoundError
from clinic_lib.letter_queue import StoredLetter
from clinic_lib.queries import ResourceId
from clinic_lib.redrive import Redriver
from clinic_lib.storage import SCHEMA, Database

__all__ = ["letter_routes"]

STATES: tuple[LetterState, ...] = get_args(LetterState)

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
