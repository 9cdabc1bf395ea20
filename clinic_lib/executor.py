"""The batch executor: one Kafka poll, or all commands that wait, in one database transaction."""

import logging
from collections.abc import Iterable, Sequence
from time import perf_counter

from sqlalchemy import MetaData
from sqlalchemy.orm import configure_mappers

from clinic_lib import telemetry
from clinic_lib.batch import Batch, Plan
from clinic_lib.delivery import Work
from clinic_lib.desk import IdsExhausted
from clinic_lib.errors import TransientError
from clinic_lib.handlers import Handler
from clinic_lib.outbox import Outlet
from clinic_lib.storage import Database

__all__ = ["Executor"]

log = logging.getLogger(__name__)


class Executor:
    """Runs work against one service's database. Safe to be used by several tasks at once."""

    def __init__(
        self, service: str, database: Database, tables: Sequence[MetaData], handlers: Iterable[Handler]
    ) -> None:
        configure_mappers()  # rows are filled without `__init__`, which would have done it
        self.service = service
        self.database = database
        self.outlet = Outlet()
        self.plan = Plan(
            service,
            guarded=frozenset(h.compensates.name for h in handlers if h.compensates),
            order={table: n for n, table in enumerate(t for each in tables for t in each.sorted_tables)},
        )

    async def run(self, work: Work) -> None:
        """Handle `work` once and for all: what spoils a transaction is found by halving and set aside.

        Raises `TransientError` when the same work should be repeated.
        """
        try:
            await self._transact(work)
        except IdsExhausted:
            self.plan.ids_each *= 2
            await self.run(work)
        except TransientError:
            raise
        except Exception as exc:
            if len(work.deliveries) > 1:
                for half in work.halves():
                    await self.run(half)
            elif work.deliveries and work.deliveries[0].failure is None:
                work.deliveries[0].failure = exc
                await self._transact(work)
            else:
                raise

    async def committed(self, work: Work) -> bool:
        """Whether the last attempt at `work` was committed although its connection broke.

        Source: https://www.postgresql.org/docs/current/functions-info.html (pg_xact_status)
        """
        if work.transaction_id is None:
            return False
        async with self.database.session() as session:
            rows = await session.fetch("select pg_xact_status($1::text::xid8)", work.transaction_id)
        return bool(rows[0][0] == "committed")

    async def _transact(self, work: Work) -> None:
        started, sent = perf_counter(), self.outlet.take_sent()
        work.transaction_id = None
        for delivery in work.deliveries:
            delivery.answer = None
        try:
            async with self.database.transaction() as transaction:
                batch = Batch(self.plan, transaction, work, self.outlet, sent)
                rows = await batch.run()
                telemetry.crash_point("before-commit")
        except BaseException:
            self.outlet.give_back(sent)
            raise
        telemetry.crash_point("after-commit")
        for delivery in work.deliveries:
            delivery.settled = True
        if batch.deleted_sent:
            self.outlet.deleted(sent)
        else:
            self.outlet.give_back(sent)
        self.outlet.offer(rows)
        telemetry.executor_batch_records.labels(self.service, work.source).observe(len(work.deliveries))
        telemetry.executor_batch_seconds.labels(self.service, work.source).observe(perf_counter() - started)
