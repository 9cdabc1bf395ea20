"""Sagas on the admin port: how the instances stand that this service owns, and what it has handled of others."""

import re
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any, get_args
from uuid import UUID

import orjson
from aiokafka.errors import KafkaError
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route

from clinic_lib.admin_answers import following, guarded, json, page
from clinic_lib.decoding import Subscription
from clinic_lib.errors import InvalidError, NotFoundError
from clinic_lib.handlers import Kind
from clinic_lib.history import History
from clinic_lib.inbox import RETENTION
from clinic_lib.ledger import Sagas
from clinic_lib.logs import describe, logger
from clinic_lib.messages import fast_uuid
from clinic_lib.queries import FILTER_TEXT
from clinic_lib.saga import Saga, SagaState
from clinic_lib.storage import SCHEMA, Database

__all__ = ["SagaRoutes"]

log = logger(__name__)

STATES: tuple[SagaState, ...] = get_args(SagaState)
MOST_IDS = 1_000

STATE = "case when stuck <> '{}' then 'stuck' else state end"
COLUMNS = f"""
id, saga, subject, key, {STATE} as state, started_at, deadline_at, ended_at, correlation_id, stuck::text
"""
NAMES = ("id", "saga", "subject", "key", "state", "started_at", "deadline_at", "ended_at", "correlation_id")


SHOW = f"select {COLUMNS} from {SCHEMA}.saga where saga = $1 and key = $2"

HANDLED = f"select message_id::text from {SCHEMA}.inbox where message_id = any($1::uuid[])"
PARKED = f"select message_id::text from {SCHEMA}.dead_letter where message_id = any($1::uuid[])"


class SagaRoutes:
    """Under /admin. `known` are the types that the service receives."""

    def __init__(
        self,
        service: str,
        database: Database,
        sagas: Sagas,
        history: History,
        known: Mapping[bytes, Subscription],
    ) -> None:
        self._service = service
        self._database = database
        self._sagas = sagas
        self._history = history
        self._known = known

    def routes(self) -> list[BaseRoute]:
        return [
            Route("/sagas", guarded(self._many)),
            Route("/sagas/{saga}/{subject:path}", guarded(self._one)),
            Route("/handled", guarded(self._handled), methods=["POST"]),
            Route("/service", guarded(self._declared)),
        ]

    async def _many(self, request: Request) -> Response:
        if not self._sagas.all:
            raise NotFoundError("this service owns no saga")
        state, saga = request.query_params.get("state"), request.query_params.get("saga")
        if state not in (None, *STATES):
            raise InvalidError(f"state: one of {', '.join(STATES)}")
        if saga is not None:
            self._named(saga)
        limit, before = page(request)
        async with self._database.session() as session:
            rows = await session.fetch(_list(state), before, saga, limit + 1)
        items = [_instance(row) for row in rows]
        return json({"items": items[:limit], "next": following(request, items, limit)})

    async def _one(self, request: Request) -> Response:
        name, subject = request.path_params["saga"], request.path_params["subject"]
        declared = self._named(name).starts.declaration
        rows = []
        if re.fullmatch(FILTER_TEXT, subject):
            async with self._database.session() as session:
                rows = await session.fetch(SHOW, name, f"{declared.key}:{subject}")
        if not rows:
            raise NotFoundError(f"there is no {name} {subject}")
        found = _instance(rows[0])
        try:
            events = await self._history.of(declared.topic, found["key"], found["started_at"])
        except (KafkaError, OSError, TimeoutError) as exc:
            log.warning("admin.history_failed", error=describe(exc))
            return json(found | {"history": None})
        return json(found | {"history": events})

    async def _handled(self, request: Request) -> Response:
        """Which of these messages this service has handled, and which wait in its dead letters.

        Whether it handled one that is older than what the inbox keeps is forgotten.
        """
        ids = _message_ids(await request.body())
        async with self._database.session() as session:
            inbox = await session.fetch(HANDLED, ids)
            parked = await session.fetch(PARKED, ids)
        waits = {row[0] for row in parked}
        done = [row[0] for row in inbox if row[0] not in waits]
        unknown = {str(each) for each in ids if _is_old(each)}.difference(waits, done)
        receives = [name for name, _ in self._handlers()]
        return json(
            {"receives": receives, "handled": done, "parked": sorted(waits), "forgotten": sorted(unknown)}
        )

    async def _declared(self, request: Request) -> Response:
        """Which service this is, what it handles, what of it only for views, and which sagas it owns."""
        return json(
            {
                "name": self._service,
                "receives": [name for name, _ in self._handlers()],
                "projects": [name for name, kinds in self._handlers() if kinds == {"projection"}],
                "sagas": [each.name for each in self._sagas.all],
            }
        )

    def _handlers(self) -> list[tuple[str, set[Kind]]]:
        """Each type that functions handle, and their kinds."""
        found = ((name.decode(), {each.kind for each in read.handlers}) for name, read in self._known.items())
        return sorted((name, kinds) for name, kinds in found if kinds)

    def _named(self, name: str) -> Saga:
        saga = self._sagas.named(name)
        if saga is None:
            raise NotFoundError(f"this service owns no saga {name}")
        return saga


def _list(state: str | None) -> str:
    """The state, one of `STATES`, is written out, so that the index on those that need a look is used."""
    condition = "true"
    if state is not None:
        condition = "stuck <> '{}'" if state == "stuck" else f"stuck = '{{}}' and state = '{state}'"
    return (
        f"select {COLUMNS} from {SCHEMA}.saga where id < $1 and {condition} "
        "and ($2::text is null or saga = $2) order by id desc limit $3"
    )


def _instance(row: Any) -> dict[str, Any]:
    return dict(zip(NAMES, row[:-1], strict=True)) | {"stuck": list(orjson.loads(row[-1]).values())}


def _message_ids(body: bytes) -> list[UUID]:
    try:
        ids = [fast_uuid(each) for each in orjson.loads(body)["message_ids"]]
    except (ValueError, KeyError, TypeError) as exc:
        raise InvalidError('send {"message_ids": [UUIDs]}') from exc
    if len(ids) > MOST_IDS:
        raise InvalidError(f"message_ids: at most {MOST_IDS}")
    return ids


def _is_old(message_id: UUID) -> bool:
    """Of a UUIDv7, whose first 48 bits are milliseconds."""
    made_at = (message_id.int >> 80) / 1000
    return datetime.now(UTC).timestamp() - made_at > RETENTION.total_seconds()
