"""DBOS: a durable workflow of three transactions, whose checkpoints are committed with them.

https://docs.dbos.dev/python/tutorials/transaction-tutorial: transactions of a datasource are the kind of step that is
optimised for databases. System tables and ours share one database, workflows are coroutines that run side by side, and
nothing polls: they are started directly, not through a queue. READ COMMITTED is enough, since an update that finds too
few seats changes nothing; the default, SERIALIZABLE, only adds repetitions.
"""

import asyncio
import sys
from dataclasses import asdict
from typing import Any

import uvloop
from dbos import DBOS, AsyncSQLAlchemyDatasource, DBOSConfig

from tests.benchmarks.peers.transactions import Order, Outcome, end, place, reserve, wanted
from tests.benchmarks.stopwatch import measure_in_one_database
from tests.benchmarks.workload import database_of, make_tables

AT_ONCE = 32
CONNECTIONS = 20


async def main(sagas: int) -> None:
    await make_tables(sagas)
    config: DBOSConfig = {
        "name": "reservation",
        "system_database_url": database_of("peer"),
        "sys_db_pool_size": CONNECTIONS,
        "log_level": "ERROR",
    }
    DBOS(config=config)
    datasource = await AsyncSQLAlchemyDatasource.create(
        database_of("peer"), engine_kwargs={"pool_size": CONNECTIONS, "max_overflow": 0}
    )

    @datasource.transaction(isolation_level="READ COMMITTED")
    async def place_order(order: dict[str, Any]) -> int:
        return await place(datasource.sql_session(), Order(**order))

    @datasource.transaction(isolation_level="READ COMMITTED")
    async def reserve_seats(order: dict[str, Any]) -> dict[str, Any]:
        return asdict(await reserve(datasource.sql_session(), Order(**order)))

    @datasource.transaction(isolation_level="READ COMMITTED")
    async def end_order(order_id: int, order: dict[str, Any], outcome: dict[str, Any]) -> None:
        await end(datasource.sql_session(), order_id, Order(**order), Outcome(**outcome))

    @DBOS.workflow()
    async def reservation(order: dict[str, Any]) -> None:
        order_id = await place_order(order)
        outcome = await reserve_seats(order)
        await end_order(order_id, order, outcome)

    DBOS.launch()
    slots = asyncio.Semaphore(AT_ONCE)

    async def one(n: int) -> None:
        async with slots:
            await reservation(asdict(wanted(n)))

    async def all_of_them() -> None:
        await asyncio.gather(*(one(n) for n in range(sagas)))

    result = await measure_in_one_database(sagas, all_of_them)
    result.tell()
    DBOS.destroy()


if __name__ == "__main__":
    uvloop.run(main(int(sys.argv[1])))
