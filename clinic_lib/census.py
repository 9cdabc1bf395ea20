"""The census: what lies in a service's database, counted now and then, apart from everything that handles messages.

Invariant: counting takes at most a hundredth of one connection's time, or one look in ten minutes where that is more,
however large the tables grow: the longer a look took, or failed to, the later is the next. While the database is away
the figures stay as they were and grow old.
"""

import asyncio
import random
from collections.abc import Awaitable, Callable, Sequence
from itertools import product
from time import monotonic
from typing import get_args

from clinic_lib import metrics
from clinic_lib.dead_letter import LetterState
from clinic_lib.logs import describe, logger, unexpected
from clinic_lib.row_gauge import RowGauge
from clinic_lib.storage import SCHEMA, Database

__all__ = ["Census"]

LOOK_SECONDS = 10.0
LONGEST_SECONDS = 600.0
SHARE = 100
JITTER = 0.2

COUNT = f"""
select 'outbox', null, null, count(*) from {SCHEMA}.outbox
union all
select 'oldest', null, null, (extract(epoch from now() - (
    select created_at from {SCHEMA}.outbox order by id limit 1)) * 1000)::bigint
union all
select 'letters', state, null, count(*) from {SCHEMA}.dead_letter group by state
union all
select 'parked', null, null, count(distinct key) from {SCHEMA}.dead_letter where key is not null
union all
select 'saga', saga, 'stuck', count(*) from {SCHEMA}.saga where stuck <> '{{}}' group by saga
union all
select 'saga', saga, state, count(*) from {SCHEMA}.saga
where ended_at is null and stuck = '{{}}' group by saga, state
"""

Look = Callable[[], Awaitable[None]]

log = logger(__name__)


class Census:
    """Counts for one service: the library's own tables, and the rows that it wants counted. `sagas` are the names
    of those that it owns; `seconds` lie between two looks at least.
    """

    def __init__(
        self,
        service: str,
        database: Database,
        sagas: Sequence[str],
        gauges: Sequence[RowGauge],
        *,
        seconds: float = LOOK_SECONDS,
    ) -> None:
        self._service = service
        self._database = database
        self._sagas = sagas
        self._gauges = gauges
        self._seconds = seconds
        looks: list[Look] = [self._count_own, *([self._count_rows] if gauges else [])]
        self._looked = dict.fromkeys(looks, monotonic())
        metrics.census_age.labels(service).set_function(self.age)

    def age(self) -> float:
        """Seconds since the oldest of the figures was read."""
        return monotonic() - min(self._looked.values())

    async def run(self) -> None:
        """Count, for ever. The two looks go by their own pace: a large table of the service's makes no figure of the
        library's old.
        """
        await asyncio.gather(*(self._repeat(look) for look in self._looked))

    async def _repeat(self, look: Look) -> None:
        failed = False
        while True:
            began = monotonic()
            try:
                await look()
            except Exception as exc:
                if not failed:  # once: it fails as long as the database is away
                    log.warning("census.look_failed", error=describe(exc), exc_info=unexpected(exc))
                failed = True
            else:
                failed = False
                self._looked[look] = monotonic()
            pause = min(LONGEST_SECONDS, max(self._seconds, SHARE * (monotonic() - began)))
            await asyncio.sleep(pause * random.uniform(1 - JITTER, 1 + JITTER))

    async def _count_own(self) -> None:
        async with self._database.session() as session:
            found = {tuple(row[:3]): row[3] or 0 for row in await session.fetch(COUNT)}
        metrics.outbox_rows.labels(self._service).set(found["outbox", None, None])
        metrics.outbox_oldest.labels(self._service).set(max(0, found["oldest", None, None]) / 1000)
        metrics.parked_keys.labels(self._service).set(found["parked", None, None])
        for state in get_args(LetterState):
            rows = found.get(("letters", state, None), 0)
            metrics.dead_letter_rows.labels(self._service, state).set(rows)
        for saga, state in product(self._sagas, ("running", "overdue", "stuck")):
            rows = found.get(("saga", saga, state), 0)
            metrics.saga_instances.labels(self._service, saga, state).set(rows)

    async def _count_rows(self) -> None:
        for each in self._gauges:
            async with self._database.session() as session:
                found = {row[0]: row[1] for row in await session.fetch(each.statement)}
            for value, rows in each.count(found).items():
                metrics.view_rows.labels(self._service, each.view, each.column, value).set(rows)
