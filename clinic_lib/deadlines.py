"""Deadlines of sagas: a durable timer that fires once, whatever the number of replicas.

Invariant: a deadline is taken away in the transaction that stores its event in the outbox, under the saga's
lock; an instance whose lock somebody else holds is looked at again later, so the timer holds nobody up. The
event enters the saga's log, so the owner decides after everything that stands before it there: one that was
down does not cancel what was confirmed meanwhile.
"""

import asyncio

from clinic_lib import crash_points, instances, keys, metrics, outbox, tracing
from clinic_lib.executor import Executor
from clinic_lib.instances import Due
from clinic_lib.logs import describe, logger, unexpected
from clinic_lib.messages import Envelope
from clinic_lib.outbox import Outgoing

__all__ = ["DeadlineTimer"]

LOOK_SECONDS = 0.5

log = logger(__name__)


class DeadlineTimer:
    """Looks for instances of the service's sagas that have not ended in time."""

    def __init__(self, executor: Executor) -> None:
        self._executor = executor
        self._plan = executor.plan

    async def run(self) -> None:
        """Fire what is due, for ever."""
        while True:
            await asyncio.sleep(LOOK_SECONDS)
            try:
                while await self.fire() == instances.DUE_AT_ONCE:
                    pass
            except Exception as exc:
                log.warning("deadlines.fire_failed", error=describe(exc), exc_info=unexpected(exc))

    async def fire(self) -> int:
        """Make at most 500 instances overdue, and publish it where a function decides; return how many."""
        due = await instances.due(self._executor.database, self._plan.sagas)
        if not due:
            return 0
        async with self._executor.database.transaction() as transaction:
            free = await keys.lock_free(transaction, due)
            events, taken = [], await instances.take_due(transaction, self._plan.sagas, free)
            for each in taken:
                log.warning("deadlines.reached", saga=each.saga, saga_key=each.key)
                try:
                    events += self._event(each)
                except Exception:
                    log.exception("deadlines.start_unreadable", saga=each.saga, saga_key=each.key)
                    await instances.put_off(transaction, each.saga, [each.key])
            rows = await outbox.insert(transaction, events) if events else []
            crash_points.crash_point("deadline")
        for each in taken:
            metrics.sagas_overdue.labels(self._plan.service, each.saga).inc()
        self._executor.outlet.offer(rows)
        return len(taken)

    def _event(self, due: Due) -> list[Outgoing]:
        """Where no function decides, the instance stays overdue. Raises whatever the start's reading does."""
        saga = self._plan.sagas.named(due.saga)
        if saga is None or due.started is None:
            return []
        event = saga.deadline_reached.read(due.started, due.started_version)
        encoder = self._plan.encoder()
        traceparent, span = tracing.enter(None, f"deadline {due.saga}")
        if span is not None:
            span.attributes = {
                "messaging.message.conversation_id": str(due.correlation_id),
                "clinic.saga": due.saga,
                "clinic.saga.key": due.key,
            }
            tracing.finish(span)
        cause = Envelope(
            due.message_id, encoder.time, self._plan.service, due.correlation_id, traceparent=traceparent
        )
        return [encoder.encode(event, cause)]
