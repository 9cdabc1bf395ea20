"""Commands over HTTP: each is answered for itself, and one with an idempotency key takes effect once."""

import asyncio
from collections.abc import AsyncIterator

import pytest
from httpx2 import Response

from clinic_lib.commands import GROUP, CommandEndpoint, CommandQueue
from clinic_lib.delivery import Answer, CommandDelivery, Commands
from clinic_lib.errors import UnavailableError
from clinic_lib.idempotency import IdempotencyKey
from clinic_lib.service import Service
from clinic_lib.storage import Database, NewIds
from tests.core import shop
from tests.core.process import ServiceProcess, service_process
from tests.core.shop import MyPage, Order, OrderPlaced, PlaceOrder, Seat
from tests.core.worker import DONE, Worker, rows, value

ORDER = {"seat_id": 1, "quantity": 2}


@pytest.fixture
async def order(database_url: str, kafka_bootstrap_servers: str) -> AsyncIterator[ServiceProcess]:
    async with service_process("order", database_url=database_url, kafka=kafka_bootstrap_servers) as process:
        await process.until("/health/ready", 200)
        yield process


async def place(order: ServiceProcess, key: str | None = None, **fields: int) -> Response:
    headers = {"Idempotency-Key": key} if key else {}
    return await order.client.post("/orders", json=ORDER | fields, headers=headers)


async def test_commands_over_http(
    order: ServiceProcess, database: Database, database_url: str, kafka_bootstrap_servers: str
) -> None:
    """One process for all that needs no other: starting one takes a second."""
    await _a_created_resource_has_an_address(order)
    await _many_at_once_have_each_their_own_answer(order)
    await _a_refusal_changes_nothing(order, database)
    await _the_same_key_answers_the_same(order, database)
    await _two_at_once_take_effect_once(order, order, database)
    async with service_process(
        "order", database_url=database_url, kafka=kafka_bootstrap_servers, REPLICA="2"
    ) as other:
        await other.until("/health/ready", 200)
        await _two_at_once_take_effect_once(order, other, database)
    await _another_body_is_refused(order)
    await _a_refusal_is_repeated(order)
    await _a_key_is_free_after_a_day(order, database)
    await _a_path_has_keys_of_its_own(order)


async def _a_created_resource_has_an_address(order: ServiceProcess) -> None:
    created = await place(order)

    assert created.status_code == 201
    assert created.headers["location"] == f"/orders/{created.json()['id']}"
    assert (await order.client.get(created.headers["location"])).json() == created.json()


async def _many_at_once_have_each_their_own_answer(order: ServiceProcess) -> None:
    answers = await asyncio.gather(*(place(order, quantity=n) for n in range(1, 61)))

    assert [each.status_code for each in answers] == [201] * 60
    assert [each.json()["quantity"] for each in answers] == list(range(1, 61))
    assert len({each.json()["id"] for each in answers}) == 60


async def cancel(order: ServiceProcess, order_id: int, key: str | None = None) -> Response:
    headers = {"Idempotency-Key": key} if key else {}
    return await order.client.post(
        f"/orders/{order_id}/cancellation", json={"reason": "late"}, headers=headers
    )


async def _a_refusal_changes_nothing(order: ServiceProcess, database: Database) -> None:
    order_id = (await place(order)).json()["id"]

    answers = await asyncio.gather(*(cancel(order, order_id) for _ in range(8)))

    assert sorted(each.status_code for each in answers) == [200] + [409] * 7
    refused = next(each for each in answers if each.status_code == 409)
    assert refused.headers["content-type"] == "application/problem+json"
    assert refused.json()["detail"] == f"order {order_id} is cancelled already"
    assert (await order.client.get(f"/orders/{order_id}")).json()["status"] == "cancelled"


async def _the_same_key_answers_the_same(order: ServiceProcess, database: Database) -> None:
    count = await value(database, 'select count(*) from "order"')

    first, again = await place(order, "same"), await place(order, "same")

    assert (again.status_code, again.content) == (first.status_code, first.content)
    assert again.headers["location"] == first.headers["location"]
    assert await value(database, 'select count(*) from "order"') == count + 1


async def _two_at_once_take_effect_once(
    one: ServiceProcess, other: ServiceProcess, database: Database
) -> None:
    count = await value(database, 'select count(*) from "order"')
    key = f"at once at {one.port} and {other.port}".replace(" ", "-")

    answers = await asyncio.gather(*(place(each, key) for each in (one, other) * 5))

    assert len({each.content for each in answers}) == 1
    assert {each.status_code for each in answers} == {201}
    assert await value(database, 'select count(*) from "order"') == count + 1


async def _another_body_is_refused(order: ServiceProcess) -> None:
    await place(order, "body")

    again = await place(order, "body", quantity=9)
    together = await asyncio.gather(*(place(order, "bodies", quantity=n) for n in (1, 2)))

    assert again.status_code == 422
    assert sorted(each.status_code for each in together) == [201, 422]


async def _a_refusal_is_repeated(order: ServiceProcess) -> None:
    order_id = (await place(order)).json()["id"]
    await cancel(order, order_id)

    first, again = await cancel(order, order_id, "refused"), await cancel(order, order_id, "refused")

    assert first.status_code == 409
    assert (again.status_code, again.json()) == (409, first.json())


async def _a_key_is_free_after_a_day(order: ServiceProcess, database: Database) -> None:
    first = await place(order, "day")
    await age(database, "23 hours 59 minutes")
    same = await place(order, "day")
    await age(database, "2 minutes")

    new = await place(order, "day", quantity=7)

    assert same.json() == first.json()
    assert new.status_code == 201
    assert new.json()["id"] > first.json()["id"]
    assert (await place(order, "day", quantity=7)).json() == new.json()


async def age(database: Database, interval: str) -> None:
    async with database.session() as session:
        await session.execute(
            f"update clinic_lib.idempotency set created_at = created_at - interval '{interval}'"
        )


async def _a_path_has_keys_of_its_own(order: ServiceProcess) -> None:
    order_id = (await place(order, "path")).json()["id"]

    assert (await cancel(order, order_id, "path")).status_code == 200


async def test_without_a_database_a_command_is_to_be_sent_again(kafka_bootstrap_servers: str) -> None:
    async with service_process(
        "order", database_url="postgresql://nobody@127.0.0.1:9/none", kafka=kafka_bootstrap_servers
    ) as order:
        await order.until("/health/live", 200)

        answer = await place(order)

        assert answer.status_code == 503
        assert int(answer.headers["retry-after"]) >= 1
        assert answer.json()["title"] == "Service Unavailable"
        assert answer.json()["detail"] == "the service is starting: its database is not ready yet"
        assert (await order.admin.get("/health/ready")).status_code == 503


# --- the queue and the executor alone


async def test_a_queue_that_is_full_refuses(database: Database) -> None:
    worker = Worker(shop.order_service, database)
    queue = CommandQueue(worker.executor, waiting=3)
    waiting = [asyncio.create_task(queue.submit(order_delivery(worker))) for _ in range(3)]
    await asyncio.sleep(0)

    with pytest.raises(UnavailableError) as refused:
        await queue.submit(order_delivery(worker))

    assert refused.value.retry_after >= 1
    queue.start()
    assert await asyncio.gather(*waiting) == [DONE] * 3
    await queue.stop()


async def test_a_queue_that_stops_answers_all_who_wait(database: Database) -> None:
    worker = Worker(shop.order_service, database)
    queue = CommandQueue(worker.executor, waiting=2 * GROUP)
    waiting = [asyncio.create_task(queue.submit(order_delivery(worker))) for _ in range(GROUP + 1)]
    await asyncio.sleep(0)

    await queue.stop()

    async with asyncio.timeout(2):
        answers = await asyncio.gather(*waiting)
    assert all(isinstance(answer, UnavailableError) for answer in answers)


async def test_while_the_database_is_away_commands_are_answered_unavailable() -> None:
    database = Database("postgresql://nobody@127.0.0.1:9/none")
    worker = Worker(shop.order_service, database)
    queue = CommandQueue(worker.executor, waiting=10)
    queue.start()

    answer = await queue.submit(order_delivery(worker))

    assert isinstance(answer, UnavailableError)
    await queue.stop()
    await database.close()


async def test_commands_that_waited_go_in_one_transaction(database: Database) -> None:
    worker = Worker(shop.order_service, database)
    queue = CommandQueue(worker.executor, waiting=100)
    waiting = [asyncio.create_task(queue.submit(order_delivery(worker))) for _ in range(50)]
    await asyncio.sleep(0)

    queue.start()
    await asyncio.gather(*waiting)
    await queue.stop()

    assert await rows(database, 'select count(*), count(distinct xmin::text) from "order"') == [(50, 1)]


def order_delivery(worker: Worker, key: str | None = None, quantity: int = 1) -> CommandDelivery:
    delivery = worker.delivery(PlaceOrder(seat_id=1, quantity=quantity))
    if key:
        delivery.idempotency = IdempotencyKey(key, "/orders", str(quantity).encode())
    return delivery


failing = [True]
failing_service = Service(f"shop_failing_command_{shop.RUN}", system="shop")


@failing_service.command("POST", "/orders")
def fail(command: PlaceOrder, ids: NewIds[Order]) -> MyPage:
    if failing:
        failing.pop()
        raise RuntimeError("a defect")
    return MyPage(next(ids), "placed")


async def test_the_answer_of_a_defect_is_not_kept(database: Database) -> None:
    worker = Worker(failing_service, database)
    first, again = order_delivery(worker, "key"), order_delivery(worker, "key")

    await worker.executor.run(Commands([first]))
    await worker.executor.run(Commands([again]))

    assert isinstance(first.answer, RuntimeError)
    assert again.answer == DONE


async def test_two_commands_with_one_key_in_one_group_take_effect_once(database: Database) -> None:
    worker = Worker(shop.order_service, database)
    group = [order_delivery(worker, "key"), order_delivery(worker, "key"), order_delivery(worker, "key", 2)]

    await worker.executor.run(Commands(group))

    assert [isinstance(each.answer, Answer) for each in group] == [True, True, False]
    assert await value(database, 'select count(*) from "order"') == 1


starting_service = Service(f"shop_starting_{shop.RUN}", system="shop")


@starting_service.command("POST", "/orders")
def start(command: PlaceOrder, seat: Seat, ids: NewIds[Order]) -> OrderPlaced:
    """Starts a saga, and takes a row that belongs to none."""
    seat.free -= command.quantity
    return OrderPlaced(order_id=next(ids), seat_id=seat.seat_id, quantity=command.quantity)


async def test_a_command_that_starts_a_saga_may_take_a_row_that_belongs_to_none(database: Database) -> None:
    async with database.session() as session:
        await session.execute("insert into seat values (1, 10)")
    worker = Worker(starting_service, database)
    endpoint = CommandEndpoint(worker.service.handlers[0], "/orders", None)
    delivery = order_delivery(worker)
    delivery.key_field, delivery.key_load = endpoint.key_field, endpoint.key_load

    await worker.executor.run(Commands([delivery]))

    assert delivery.answer == DONE
    assert await value(database, "select free from seat") == 9
