"""A function that takes the transaction: its own SQL is part of the message, and undone with it."""

import pytest
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from clinic_lib.service import Service
from clinic_lib.storage import Database
from tests.core import shop
from tests.core.shop import MyPage, OrderCancelled, OrderConfirmed, OrderPlaced, SeatsReserved
from tests.core.worker import Log, Worker, letters, rows, value

own_sql_service = Service(f"shop_own_sql_{shop.RUN}", system="shop")


@own_sql_service.step
def show(event: OrderPlaced, page: MyPage | None) -> MyPage:
    return MyPage(event.order_id, "placed")


@own_sql_service.step
async def mark_pages(event: SeatsReserved, tx: AsyncConnection) -> OrderCancelled | None:
    """Writes, and then fails as the quantity says."""
    await tx.execute(text("update my_page set status = 'marked' where order_id = 1"))
    match event.quantity:
        case 2:
            raise RuntimeError("after it wrote")
        case 3:
            await tx.execute(text("select 1 / 0"))
        case 4:
            return OrderCancelled(order_id=event.order_id, reason="x" * 200)
    return None


@own_sql_service.step
def see(event: OrderCancelled, page: MyPage) -> OrderPlaced:
    return OrderPlaced(order_id=event.order_id, seat_id=1, quantity=1, note=page.status)


@own_sql_service.step
async def count_all(event: OrderConfirmed, tx: AsyncConnection) -> OrderCancelled:
    seen = (await tx.execute(text("select count(*) from my_page"))).scalar_one()
    return OrderCancelled(order_id=event.order_id, reason=f"{seen} pages")


def reserved(number: int, quantity: int) -> SeatsReserved:
    return SeatsReserved(order_id=number, seat_id=1, quantity=quantity)


async def payloads(database: Database) -> list[str]:
    found = await rows(database, "select convert_from(payload, 'UTF8') from clinic_lib.outbox order by id")
    return [payload for (payload,) in found]


async def test_own_sql_sees_what_earlier_messages_of_the_poll_wrote(database: Database) -> None:
    worker, log = Worker(own_sql_service, database), Log()

    await worker.poll(
        log.append(order(1)),
        log.append(order(2)),
        log.append(OrderConfirmed(order_id=1)),
        log.append(order(3)),
    )

    (payload,) = await payloads(database)
    assert "2 pages" in payload


async def test_what_own_sql_wrote_is_seen_by_later_functions_of_the_poll(database: Database) -> None:
    worker, log = Worker(own_sql_service, database), Log()

    await worker.poll(
        log.append(order(1)),
        log.append(reserved(1, 1)),
        log.append(OrderCancelled(order_id=1, reason="look")),
    )

    (payload,) = await payloads(database)
    assert '"note":"marked"' in payload


@pytest.mark.parametrize("quantity", [2, 3])
async def test_own_sql_that_fails_is_undone_alone(quantity: int, database: Database) -> None:
    worker, log = Worker(own_sql_service, database), Log()

    await worker.poll(log.append(order(1)), log.append(reserved(7, quantity)), log.append(order(2)))

    assert await rows(database, "select order_id, status from my_page order by 1") == [
        (1, "placed"),
        (2, "placed"),
    ]
    assert [(state, key) for state, key, _ in await letters(database)] == [("failed", "order_id:7")]


async def test_own_sql_whose_event_is_too_large_is_undone(database: Database) -> None:
    worker, log = Worker(own_sql_service, database), Log()
    worker.executor.plan.largest_event_bytes = 500

    await worker.poll(log.append(order(1)), log.append(reserved(7, 4)))

    assert await value(database, "select status from my_page") == "placed"
    assert [(state, key) for state, key, _ in await letters(database)] == [("failed", "order_id:7")]


async def test_own_sql_is_undone_when_another_function_of_the_same_event_raises(database: Database) -> None:
    service = Service(f"shop_pair_{shop.RUN}", system="shop")

    @service.step
    async def write(event: OrderPlaced, tx: AsyncConnection) -> None:
        await tx.execute(text("insert into my_page values (5, 'written', '[]')"))

    @service.step
    def stumble(event: OrderPlaced) -> None:
        raise RuntimeError("after the other one wrote")

    service.projection(show_nothing)

    await Worker(service, database).poll(Log().append(order(1)))

    assert await rows(database, "select * from my_page") == []
    assert [state for state, *_ in await letters(database)] == ["failed"]


def show_nothing(event: OrderConfirmed, page: MyPage | None) -> None:
    """Names the table, so that the service has it."""


async def test_own_sql_cannot_end_the_transaction(database: Database) -> None:
    service = Service(f"shop_commit_{shop.RUN}", system="shop")

    @service.step
    async def commit(event: OrderPlaced, tx: AsyncConnection) -> None:
        await tx.execute(text("insert into my_page values (5, 'written', '[]')"))
        await tx.commit()
        raise RuntimeError("after its commit")

    await Worker(service, database).poll(Log().append(order(1)))

    assert await rows(database, "select * from my_page") == []


def order(number: int) -> OrderPlaced:
    return OrderPlaced(order_id=number, seat_id=number, quantity=1)
