"""python-cqrs: an orchestrated saga of three steps, its state and log kept by SQLAlchemy.

https://mkdocs.python-cqrs.dev/saga/storage: the storage commits once a step (`create_run`), the faster of its two ways,
and steps are resolved from a plain container. An order that can't have its seats fails in the second step, and the
first one's compensation cancels it: that is how the library says no, so a refused saga has no third step.
"""

import asyncio
import logging
import sys
from dataclasses import dataclass
from typing import Any, ClassVar

import uvloop
from cqrs.handlers.saga import SagaStepHandler, SagaStepResult
from cqrs.saga.models import SagaContext
from cqrs.saga.saga import Saga
from cqrs.saga.storage.sqlalchemy import Base, SqlAlchemySagaStorage
from sqlalchemy.ext.asyncio import AsyncSession, async_sessionmaker, create_async_engine

from tests.benchmarks.peers.transactions import Order, Outcome, end, place, reserve, wanted
from tests.benchmarks.stopwatch import measure_in_one_database
from tests.benchmarks.workload import database_of, make_tables

AT_ONCE = 24


class SeatsRefusedError(Exception):
    """Too few seats are left."""


@dataclass
class Context(SagaContext):
    """What the steps know of an order."""

    seat_id: int
    quantity: int
    customer: str
    order_id: int = 0
    seat_name: str = ""
    reason: str | None = None

    @property
    def order(self) -> Order:
        return Order(self.seat_id, self.quantity, self.customer)

    @property
    def outcome(self) -> Outcome:
        return Outcome(self.seat_name, self.reason)


class Step(SagaStepHandler[Context, Any]):
    """A step with transactions of its own."""

    def __init__(self, sessions: async_sessionmaker[AsyncSession]) -> None:
        self.sessions = sessions

    async def compensate(self, context: Context) -> None:
        pass


class Place(Step):
    async def act(self, context: Context) -> SagaStepResult[Context, Any]:
        async with self.sessions.begin() as session:
            context.order_id = await place(session, context.order)
        return self._generate_step_result(None)

    async def compensate(self, context: Context) -> None:
        async with self.sessions.begin() as session:
            await end(session, context.order_id, context.order, context.outcome)


class Reserve(Step):
    async def act(self, context: Context) -> SagaStepResult[Context, Any]:
        async with self.sessions.begin() as session:
            outcome = await reserve(session, context.order)
        context.seat_name, context.reason = outcome.seat_name, outcome.reason
        if outcome.reason:
            raise SeatsRefusedError(outcome.reason)
        return self._generate_step_result(None)


class Confirm(Step):
    async def act(self, context: Context) -> SagaStepResult[Context, Any]:
        async with self.sessions.begin() as session:
            await end(session, context.order_id, context.order, context.outcome)
        return self._generate_step_result(None)


class Reservation(Saga[Context]):
    steps: ClassVar[list[type[SagaStepHandler[Context, Any]]]] = [Place, Reserve, Confirm]


class Steps:
    """A container of steps that are made once."""

    def __init__(self, sessions: async_sessionmaker[AsyncSession]) -> None:
        self.made = {step: step(sessions) for step in (Place, Reserve, Confirm)}

    async def resolve(self, step: type[Step]) -> Step:
        return self.made[step]


async def main(sagas: int) -> None:
    await make_tables(sagas)
    logging.getLogger("cqrs").setLevel(logging.CRITICAL)
    # a saga holds one connection, and its step another
    engine = create_async_engine(
        database_of("peer").replace("postgresql:", "postgresql+asyncpg:"),
        pool_size=2 * AT_ONCE,
        max_overflow=0,
    )
    async with engine.begin() as connection:
        await connection.run_sync(Base.metadata.create_all)
    sessions = async_sessionmaker(engine, expire_on_commit=False)
    storage, container = SqlAlchemySagaStorage(sessions), Steps(sessions)
    slots = asyncio.Semaphore(AT_ONCE)

    async def one(n: int) -> None:
        order = wanted(n)
        context = Context(order.seat_id, order.quantity, order.customer)
        async with slots:
            try:
                async with Reservation().transaction(
                    context=context, container=container, storage=storage
                ) as steps:
                    async for _ in steps:
                        pass
            except SeatsRefusedError:
                pass

    async def all_of_them() -> None:
        await asyncio.gather(*(one(n) for n in range(sagas)))

    result = await measure_in_one_database(sagas, all_of_them)
    result.tell()
    await engine.dispose()


if __name__ == "__main__":
    uvloop.run(main(int(sys.argv[1])))
