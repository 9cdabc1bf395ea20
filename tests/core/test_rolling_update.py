"""Two versions of a service run side by side, forth and back, while orders flow."""

import asyncio
import json
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Collection
from itertools import count
from typing import TypeVar
from uuid import uuid4

import pytest
from aiokafka import AIOKafkaConsumer, ConsumerRecord, TopicPartition

from clinic_lib.storage import Database
from tests.core.conftest import NewDatabase
from tests.core.process import Name, ServiceProcess
from tests.core.shop_next import UNKNOWN_SECTION
from tests.core.worker import rows, value

Result = TypeVar("Result")

OLD, NEW = "tests.core.shop", "tests.core.shop_next"
VERSIONS = {OLD: 1, NEW: 2}
SEATS = 10_000
PARTITIONS = 3
WITHIN_SECONDS = 60
ENOUGH = 4
"""So many orders answered by each version that runs; two versions share three partitions."""


class Shop:
    """Its processes, one database a service, and customers who order all the time."""

    def __init__(self, run: str, kafka: str, addresses: dict[Name, str]) -> None:
        self.run, self.kafka, self.addresses = run, kafka, addresses
        self.databases = {name: Database(url) for name, url in addresses.items()}
        self.processes: list[ServiceProcess] = []
        self.placed: list[int] = []
        self.cancelled: set[int] = set()
        self.closed = False
        self.reader = AIOKafkaConsumer(bootstrap_servers=kafka, enable_auto_commit=False)
        self.places = [TopicPartition(f"shop-{run}", n) for n in range(PARTITIONS)]
        self.records: dict[bytes | None, ConsumerRecord] = {}
        self._replicas = count(1)

    async def open(self) -> list[ServiceProcess]:
        """One process of each service, of the old version."""
        names: tuple[Name, ...] = ("order", "seat", "page")
        processes = await asyncio.gather(*(self.start(name, OLD) for name in names))
        async with self.databases["seat"].session() as session:
            await session.execute("insert into seat values (1, $1)", SEATS)
        await self.reader.start()
        self.reader.assign(self.places)
        await self.reader.seek_to_beginning(*self.places)
        return processes

    async def start(self, name: Name, module: str) -> ServiceProcess:
        """One more process of a service, which a rolling update waits for until it is ready."""
        environment = {
            "DATABASE_URL": self.addresses[name],
            "KAFKA_BOOTSTRAP_SERVERS": self.kafka,
            "KAFKA_PARTITIONS": str(PARTITIONS),
            "REPLICA": str(next(self._replicas)),
            "LOG_LEVEL": "WARNING",
            "SHOP_RUN": self.run,
        }
        process = ServiceProcess(name, environment, module)
        self.processes.append(process)
        await process.start()
        await process.until("/health/ready", 200, WITHIN_SECONDS)
        return process

    async def stop(self, process: ServiceProcess) -> None:
        self.processes.remove(process)
        await process.stop()

    async def sell(self, order: ServiceProcess) -> None:
        """Until it closes customers order, and every fifth time one thinks better of an older order."""
        while not self.closed:
            answer = await order.client.post("/orders", json={"seat_id": 1, "quantity": 1})
            assert answer.status_code == 201, answer.text
            self.placed.append(answer.json()["id"])
            if len(self.placed) % 5 == 0:
                await self.cancel(order, self.placed[len(self.placed) // 2])
            await asyncio.sleep(0.1)

    async def cancel(self, order: ServiceProcess, number: int) -> None:
        if number not in self.cancelled:
            self.cancelled.add(number)
            answer = await order.client.post(f"/orders/{number}/cancellation", json={"reason": "changed"})
            assert answer.status_code == 200, answer.text

    async def answered(self, *modules: str) -> dict[int, set[int]]:
        """Orders placed from now on by the version that answered them, once each of `modules` has; no other does."""
        since, wanted = len(self.placed), {VERSIONS[module] for module in modules}

        async def by_version() -> dict[int, set[int]] | None:
            found: dict[int, set[int]] = {}
            for version, number in await self.reserved():
                if number in self.placed[since:]:
                    found.setdefault(version, set()).add(number)
            return found if all(len(found.get(each, ())) >= ENOUGH for each in wanted) else None

        found = await eventually(by_version)
        assert found.keys() == wanted
        return found

    async def reserved(self) -> list[tuple[int, int]]:
        """Each reservation in the log: the version that wrote it, and the order."""
        return [
            (json.loads(record.value or b"")["dataversion"], int(record.key or b""))
            for record in await self.log()
            if ("type", b"SeatsReserved") in record.headers
        ]

    async def log(self) -> list[ConsumerRecord]:
        """Every record once, by its id; each look reads on from where the last one ended."""
        ends = await self.reader.end_offsets(self.places)
        while any([await self.reader.position(place) < ends[place] for place in self.places]):
            for records in (await self.reader.getmany(timeout_ms=200)).values():
                for record in records:
                    self.records.setdefault(dict(record.headers)["id"], record)
        return list(self.records.values())

    async def shown(self, numbers: Collection[int], condition: str) -> None:
        """Waits until the pages of all these orders meet `condition`."""
        statement = f"select count(*) from my_page where order_id = any($1::bigint[]) and {condition}"

        async def met() -> bool | None:
            found = await value(self.databases["page"], statement, list(numbers))
            return found == len(numbers) or None

        await eventually(met)

    async def at_rest(self) -> None:
        """Waits until every order has its answer, everything is published, and the pages say so."""

        async def settled() -> bool | None:
            for database in self.databases.values():
                if await value(database, "select count(*) from clinic_lib.outbox"):
                    return None
            return await self.orders() == await self.page_statuses() or None

        await eventually(settled)

    async def orders(self) -> dict[int, str]:
        return dict(await rows(self.databases["order"], 'select order_id, status from "order"'))

    async def page_statuses(self) -> dict[int, str]:
        return dict(await rows(self.databases["page"], "select order_id, status from my_page"))

    async def close(self) -> None:
        await asyncio.gather(*(process.stop() for process in self.processes))
        await self.reader.stop()
        for database in self.databases.values():
            await database.close()


async def eventually(look: Callable[[], Awaitable[Result | None]]) -> Result:
    """The first result that is not None."""
    async with asyncio.timeout(WITHIN_SECONDS):
        while (result := await look()) is None:
            await asyncio.sleep(0.2)
    return result


@pytest.fixture
async def shop(new_database_url: NewDatabase, kafka_bootstrap_servers: str) -> AsyncIterator[Shop]:
    names: tuple[Name, ...] = ("order", "seat", "page")
    addresses = {name: await new_database_url() for name in names}
    shop = Shop(uuid4().hex[:8], kafka_bootstrap_servers, addresses)
    yield shop
    await shop.close()


async def test_two_versions_run_side_by_side_forth_and_back_while_orders_flow(shop: Shop) -> None:
    order, old_seat, old_page = await shop.open()
    customers = asyncio.create_task(shop.sell(order))

    # old, then both, then new: the pages' old version meets events that it does not know
    at_first = await shop.answered(OLD)
    new_seat = await shop.start("seat", NEW)
    mixed = await shop.answered(OLD, NEW)
    await shop.shown(mixed[1] | mixed[2], "status <> 'placed'")
    new_page, _ = await asyncio.gather(shop.start("page", NEW), shop.stop(old_seat))
    await shop.stop(old_page)
    updated = await shop.answered(NEW)
    await shop.shown(updated[2], "section = 'A' and places is not null")
    await shop.shown(mixed[2], "places is null")
    await shop.cancel(order, max(at_first[1]))

    # and back: the pages' new version reads what the seats' old one writes
    old_seat = await shop.start("seat", OLD)
    mixed = await shop.answered(OLD, NEW)
    await shop.shown(mixed[1], f"section = '{UNKNOWN_SECTION}'")
    await asyncio.gather(shop.start("page", OLD), shop.stop(new_seat))
    await shop.stop(new_page)
    await shop.answered(OLD)
    await shop.cancel(order, max(updated[2]))

    shop.closed = True
    await customers
    await shop.at_rest()
    await nothing_is_lost_and_nothing_is_there_twice(shop)


async def nothing_is_lost_and_nothing_is_there_twice(shop: Shop) -> None:
    orders = await shop.orders()
    assert orders.keys() == set(shop.placed)
    assert {number for number, status in orders.items() if status == "cancelled"} == shop.cancelled
    assert set(orders.values()) == {"confirmed", "cancelled"}
    confirmed = len(orders) - len(shop.cancelled)
    assert await rows(shop.databases["seat"], "select free, section from seat") == [(SEATS - confirmed, "A")]
    states = await rows(shop.databases["order"], "select state, count(*) from clinic_lib.saga group by 1")
    assert dict(states) == {"completed": confirmed, "compensated": len(shop.cancelled)}
    for database in shop.databases.values():
        assert await value(database, "select count(*) from clinic_lib.dead_letter") == 0
    said = Counter((dict(record.headers)["type"], int(record.key or b"")) for record in await shop.log())
    assert set(said.values()) == {1}
    versions = await shop.reserved()
    assert {number for _, number in versions} == orders.keys()
    assigned = {number for kind, number in said if kind == b"PlacesAssigned"}
    assert assigned == {number for version, number in versions if version == 2}
    assert {number for kind, number in said if kind == b"SeatsReleased"} == shop.cancelled
