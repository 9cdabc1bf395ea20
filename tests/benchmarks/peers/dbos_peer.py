"""DBOS: a durable workflow of three transactions, whose checkpoints are committed with them.

https://docs.dbos.dev/python/reference/datasources: transactions of a datasource are the kind of step that is optimised
for databases. System tables and ours share one database. Workflows are started directly, not through a queue that
polls, in threads: as coroutines they took half as much again. READ COMMITTED is enough, since an update that finds too
few seats changes nothing; the default, SERIALIZABLE, only adds repetitions.
"""

import asyncio
import sys
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict
from typing import Any

from dbos import DBOS, DBOSConfig, SQLAlchemyDatasource

from tests.benchmarks.peers.transactions import END, FREE, PLACE, RESERVE, SHOW, Outcome, too_few, wanted
from tests.benchmarks.stopwatch import measure_in_one_database
from tests.benchmarks.workload import database_of, make_tables

THREADS = 16
CONNECTIONS = 20

Fields = dict[str, Any]


async def main(sagas: int) -> None:
    await make_tables(sagas)
    config: DBOSConfig = {
        "name": "reservation",
        "system_database_url": database_of("peer"),
        "sys_db_pool_size": CONNECTIONS,
        "log_level": "ERROR",
    }
    DBOS(config=config)
    datasource = SQLAlchemyDatasource.create(
        database_of("peer"), engine_kwargs={"pool_size": CONNECTIONS, "max_overflow": 0}
    )

    @datasource.transaction(isolation_level="READ COMMITTED")
    def place_order(order: Fields) -> int:
        return int(datasource.sql_session().execute(PLACE, order).scalar_one())

    @datasource.transaction(isolation_level="READ COMMITTED")
    def reserve_seats(order: Fields) -> Fields:
        session = datasource.sql_session()
        name = session.execute(RESERVE, order).scalar_one_or_none()
        if name is not None:
            return asdict(Outcome(name))
        name, free = session.execute(FREE, order).one()
        return asdict(Outcome(name, too_few(order["quantity"], free)))

    @datasource.transaction(isolation_level="READ COMMITTED")
    def end_order(order_id: int, order: Fields, outcome: Fields) -> None:
        values = {**order, **outcome, "order_id": order_id, "status": Outcome(**outcome).status}
        datasource.sql_session().execute(END, values)
        datasource.sql_session().execute(SHOW, values)

    @DBOS.workflow()
    def reservation(order: Fields) -> None:
        order_id = place_order(order)
        outcome = reserve_seats(order)
        end_order(order_id, order, outcome)

    DBOS.launch()
    threads = ThreadPoolExecutor(THREADS)

    async def all_of_them() -> None:
        loop = asyncio.get_running_loop()
        await asyncio.gather(
            *(loop.run_in_executor(threads, reservation, asdict(wanted(n))) for n in range(sagas))
        )

    result = await measure_in_one_database(sagas, all_of_them)
    result.tell()
    DBOS.destroy()


if __name__ == "__main__":
    asyncio.run(main(int(sys.argv[1])))
