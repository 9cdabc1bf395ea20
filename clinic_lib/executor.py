"""The batch executor: one Kafka poll, or all commands that wait, in one database transaction."""

import asyncio
from collections.abc import Iterable, Sequence
from time import monotonic, perf_counter, time_ns

from sqlalchemy import MetaData
from sqlalchemy.orm import configure_mappers

from clinic_lib import batch_spans, crash_points, metrics, tracing
from clinic_lib.batch import Batch, Plan
from clinic_lib.delivery import CommandDelivery, Redrive, Work
from clinic_lib.desk import IdsExhausted
from clinic_lib.errors import TransientError
from clinic_lib.handlers import Handler
from clinic_lib.ledger import Sagas
from clinic_lib.outbox import Outlet
from clinic_lib.storage import Storage

__all__ = ["Executor"]

STATUS = "select id, pg_xact_status(id::xid8) from unnest($1::text[]) as id"
MOST_IDS = 1024
IN_DOUBT_SECONDS = 12  # longer than the server lets a transaction be idle


class Executor:
    """Runs work against one service's database. Safe to be used by several tasks at once."""

    def __init__(
        self,
        service: str,
        database: Storage,
        tables: Sequence[MetaData],
        handlers: Sequence[Handler],
        sagas: Sagas | None = None,
    ) -> None:
        configure_mappers()  # rows are filled without `__init__`, which would have done it
        self.service = service
        self.database = database
        self.outlet = Outlet()
        self.plan = Plan(
            service,
            guarded=frozenset(h.compensates.name for h in handlers if h.compensates),
            order={table: n for n, table in enumerate(t for each in tables for t in each.sorted_tables)},
            sagas=sagas or Sagas(),
        )

    async def run(self, work: Work) -> None:
        """Handle `work` once and for all: what spoils a transaction is found by halving and set aside.

        Raises `TransientError` when the same work should be repeated.
        """
        error = await self._attempt(work)
        if error is None:
            return
        if len(work.deliveries) <= 1:
            await self._set_aside(work, error)
            return
        del error  # it holds all that the transaction held
        for half in work.halves():
            await self.run(half)

    async def _attempt(self, work: Work) -> Exception | None:
        """Handle `work` in one transaction; what spoiled it is returned, for whoever is to act outside of it."""
        while True:
            try:
                await self._transact(work)
            except IdsExhausted:
                if self.plan.ids_each * work.times_ids >= MOST_IDS:
                    return ValueError(f"a function takes more than {MOST_IDS} new ids")
                work.times_ids *= 2
            except TransientError:
                raise
            except Exception as exc:
                if work.committed:
                    raise  # it was committed: what failed came after
                return exc
            else:
                return None

    async def _set_aside(self, work: Work, error: Exception) -> None:
        """Handle the one message that spoils its transaction as one that failed."""
        if not work.deliveries or work.deliveries[0].failure is not None:
            raise error
        (delivery,) = work.deliveries
        delivery.failure = error
        try:
            await self._transact(work)
        except BaseException:
            delivery.failure = None  # the trouble is the server's, not this message's
            raise

    async def settle(self, deliveries: Iterable[CommandDelivery]) -> None:
        """Find out which of `deliveries` were committed although the connection broke.

        Raises `TransientError` when the server can't say it within 12 seconds.
        Source: https://www.postgresql.org/docs/current/functions-info.html (pg_xact_status)
        """
        unknown = [each for each in deliveries if each.transaction_id and not each.settled]
        if unknown:
            status = await self._status({each.transaction_id for each in unknown})
            for each in unknown:
                each.settled = status[each.transaction_id] == "committed"

    async def _status(self, transaction_ids: set[str | None]) -> dict[str | None, str]:
        """How transactions ended; the server may be away, or not have noticed yet that a connection broke."""
        deadline = monotonic() + IN_DOUBT_SECONDS
        while True:
            doubt = TransientError("a transaction whose connection broke has not ended")
            try:
                async with self.database.session() as session:
                    status = {row[0]: row[1] for row in await session.fetch(STATUS, list(transaction_ids))}
                if "in progress" not in status.values():
                    return status
            except TransientError as exc:
                doubt = exc
            if monotonic() > deadline:
                raise doubt
            await asyncio.sleep(0.1)

    async def _transact(self, work: Work) -> None:
        started, began = perf_counter(), time_ns()
        batch_spans.begin(work)
        work.begin()
        sent = self.outlet.take_sent()
        try:
            async with self.database.transaction() as transaction:
                batch = Batch(self.plan, transaction, work, self.outlet, sent)
                rows = await batch.run()
                crash_points.crash_point("redrive" if isinstance(work, Redrive) else "before-commit")
        except BaseException:
            self.outlet.give_back(sent)
            raise
        crash_points.crash_point("after-commit")
        work.commit()
        if batch.deleted_sent:
            self.outlet.deleted(sent)
        else:
            self.outlet.give_back(sent)
        self.outlet.offer(rows)
        example = tracing.exemplar(batch_spans.end(self.service, work, began))
        batch.count()
        metrics.executor_batch_records.labels(self.service, work.source).observe(len(work.deliveries))
        seconds = metrics.executor_batch_seconds.labels(self.service, work.source)
        seconds.observe(perf_counter() - started, example)
