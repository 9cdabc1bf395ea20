"""What the processes of a service tell at /metrics, with a real Kafka and a real PostgreSQL."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable
from contextlib import AsyncExitStack, asynccontextmanager
from uuid import uuid4

import pytest
from aiokafka import AIOKafkaProducer
from prometheus_client.parser import text_string_to_metric_families

from clinic_lib.messages import new_message_id
from clinic_lib.metric import DECLARED
from clinic_lib.storage import Database
from tests.core.process import Name, ServiceProcess, service_process
from tests.core.shop import OrderPlaced
from tests.core.worker import cloud_event

GATEWAYS = {each.name for each in DECLARED if each.name.startswith("clinic_gateway_")}
ROWS = {"clinic_view_rows"}
"""The shop has asked for none."""

TRACES = {"clinic_tracing_exported_total", "clinic_tracing_dropped_total"}
"""It sends none."""

VIEWS = {"clinic_projection_delay_seconds"}
"""The page's, not the order's."""

Labels = frozenset[tuple[str, str]]


class Process:
    """A process of the shop, and what it tells."""

    def __init__(self, process: ServiceProcess) -> None:
        self.process = process
        self.client = process.client

    async def series(self) -> dict[tuple[str, Labels], float]:
        """Every sample, by its name and its labels but `service`."""
        text = (await self.process.admin.get("/metrics")).text
        return {
            (
                sample.name,
                frozenset(item for item in sample.labels.items() if item[0] != "service"),
            ): sample.value
            for family in text_string_to_metric_families(text)
            for sample in family.samples
        }

    async def value(self, name: str, **labels: str) -> float | None:
        return (await self.series()).get((name, frozenset(labels.items())))

    async def partitions(self) -> dict[str, float]:
        """The lag of each partition that it has."""
        series = await self.series()
        return {
            dict(labels)["partition"]: value
            for (name, labels), value in series.items()
            if name == "clinic_consumer_lag_records"
        }


class Shop:
    """Processes of a shop of the test's own. `topic` is its log."""

    def __init__(self, stack: AsyncExitStack, database_url: str, kafka: str) -> None:
        self.run = uuid4().hex[:8]
        self.topic = f"shop-{self.run}"
        self.kafka = kafka
        self._stack = stack
        self._database_url = database_url

    async def start(self, name: Name, **more: str) -> Process:
        running = service_process(
            name,
            database_url=self._database_url,
            kafka=self.kafka,
            crash_point=None,
            SHOP_RUN=self.run,
            **more,
        )
        process = await self._stack.enter_async_context(running)
        await process.until("/health/ready", 200)
        return Process(process)

    async def publish(self, orders: Iterable[OrderPlaced]) -> None:
        """Into the log, as the order's service would."""
        async with AIOKafkaProducer(bootstrap_servers=self.kafka) as producer:
            for order in orders:
                message_id = new_message_id()
                headers = [("type", b"OrderPlaced"), ("id", message_id.bytes)]
                key, value = order.subject.encode(), cloud_event(order, message_id)
                await producer.send(self.topic, value, key=key, headers=headers)


@pytest.fixture
async def shop_of_mine(database_url: str, kafka_bootstrap_servers: str) -> AsyncIterator[Shop]:
    async with AsyncExitStack() as stack:
        yield Shop(stack, database_url, kafka_bootstrap_servers)


@asynccontextmanager
async def locked(database: Database, table: str) -> AsyncIterator[None]:
    """Nobody else reads or writes the table in the meantime."""
    async with database.transaction() as transaction:
        await transaction.execute(f"lock table {table} in access exclusive mode")
        await transaction.execute("set local idle_in_transaction_session_timeout = 0")
        yield


async def eventually(holds: Callable[[], Awaitable[bool]], seconds: float = 20) -> None:
    async with asyncio.timeout(seconds):
        while not await holds():
            await asyncio.sleep(0.05)


def orders(count: int) -> list[OrderPlaced]:
    return [OrderPlaced(order_id=n, seat_id=1, quantity=1) for n in range(1, count + 1)]


async def test_every_declared_metric_is_there_after_traffic(shop_of_mine: Shop) -> None:
    order, page = await shop_of_mine.start("order"), await shop_of_mine.start("page")
    await order.client.post("/orders", json={"seat_id": 1, "quantity": 2})

    async def is_shown() -> bool:
        return bool(await page.value("clinic_projection_delay_seconds_count", projection="show_placed"))

    await eventually(is_shown)
    names = {name for name, _ in await order.series()}

    metrics = {
        each.name: f"{each.name}_count" if each.kind == "histogram" else each.name for each in DECLARED
    }
    assert {
        each for each, sample in metrics.items() if sample not in names
    } == GATEWAYS | ROWS | VIEWS | TRACES


async def test_a_consumer_that_is_held_up_falls_behind_and_catches_up(
    shop_of_mine: Shop, database: Database
) -> None:
    page = await shop_of_mine.start("page")

    async with locked(database, "my_page"):
        await shop_of_mine.publish(orders(50))

        async def is_behind() -> bool:
            return sum((await page.partitions()).values()) == 50

        await eventually(is_behind)
        await asyncio.sleep(2)
        assert (await page.value("clinic_consumer_lag_seconds") or 0) >= 2

    async def has_caught_up() -> bool:
        return sum((await page.partitions()).values()) == 0

    await eventually(has_caught_up)
    assert await page.value("clinic_consumer_lag_seconds") == 0
    assert await page.value("clinic_consumer_records_total", outcome="handled") == 50


async def test_a_replica_tells_the_lag_of_its_own_partitions_only(shop_of_mine: Shop) -> None:
    first = await shop_of_mine.start("page")

    async def has_all() -> bool:
        return set(await first.partitions()) == {"0", "1", "2"}

    await eventually(has_all)
    second = await shop_of_mine.start("page", REPLICA="2")

    async def have_shared() -> bool:
        shares = await first.partitions(), await second.partitions()
        return sorted([*shares[0], *shares[1]]) == ["0", "1", "2"] and all(shares)

    await eventually(have_shared)


async def test_commands_wait_in_the_queue_and_go_together_or_are_rejected(
    shop_of_mine: Shop, database: Database
) -> None:
    order = await shop_of_mine.start("order", WAITING_COMMANDS="10")

    async def place() -> int:
        return (await order.client.post("/orders", json={"seat_id": 1, "quantity": 2})).status_code

    async with locked(database, '"order"'):
        first = asyncio.create_task(place())

        async def is_in_hand() -> bool:
            used = await order.value("clinic_database_connections", state="used")
            return used == 1 and not await order.value("clinic_command_waiting")

        await eventually(is_in_hand)
        group = [asyncio.create_task(place()) for _ in range(13)]

        async def queue_is_full() -> bool:
            return await order.value("clinic_command_waiting") == 10

        await eventually(queue_is_full)

    answers = sorted([await first, *(await asyncio.gather(*group))])
    assert answers == [201] * 11 + [503] * 3
    assert await order.value("clinic_command_rejected_total") == 3
    assert await order.value("clinic_executor_batch_records_count", source="commands") == 2
    assert await order.value("clinic_executor_batch_records_sum", source="commands") == 11
    assert (await order.value("clinic_database_wait_seconds_count") or 0) >= 2


async def test_requests_are_told_by_bounded_labels(shop_of_mine: Shop) -> None:
    order = await shop_of_mine.start("order")

    await order.client.request("PROPFIND", "/orders/1")
    await order.client.get("/orders/4711")
    await order.client.get("/nowhere/4711")

    found = [dict(labels) for name, labels in await order.series() if name == "clinic_http_requests_total"]
    began_at_zero = ("500", "503")
    assert sorted(
        (each["method"], each["route"], each["status"])
        for each in found
        if each["status"] not in began_at_zero
    ) == [
        ("GET", "/orders/{id}", "404"),
        ("GET", "none", "404"),
        ("other", "/orders/{id}", "405"),
    ]


async def test_the_kubelet_s_probes_are_no_requests(shop_of_mine: Shop) -> None:
    order = await shop_of_mine.start("order")

    for agent in ("kube-probe/1.33", "kube-probe/1.33", "curl/8.14"):
        answer = await order.client.get("/orders", headers={"User-Agent": agent})
        assert answer.status_code == 200

    of = {"method": "GET", "route": "/orders"}
    assert await order.value("clinic_http_requests_total", **of, status="200") == 1
    assert await order.value("clinic_http_request_seconds_count", **of) == 1


async def test_prometheus_may_ask_for_openmetrics(shop_of_mine: Shop) -> None:
    page = await shop_of_mine.start("page")

    answer = await page.process.admin.get("/metrics", headers={"Accept": "application/openmetrics-text"})

    assert answer.headers["content-type"].startswith("application/openmetrics-text")
    assert answer.text.endswith("# EOF\n")
