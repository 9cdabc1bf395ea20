"""A saga's owner knows how each instance stands, and each one ends or is known not to."""

import asyncio
from collections.abc import Callable
from datetime import timedelta

import orjson
import pytest

from clinic_lib.deadlines import DeadlineTimer
from clinic_lib.errors import WiringError
from clinic_lib.messages import Event
from clinic_lib.saga import Saga, notices_of
from clinic_lib.service import Service
from clinic_lib.storage import Database
from tests.core import shop
from tests.core.shop import (
    CancelOrder,
    Order,
    OrderCancelled,
    OrderConfirmed,
    OrderPlaced,
    PlaceOrder,
    SeatsRefused,
    SeatsReleased,
    SeatsReserved,
)
from tests.core.worker import Log, Worker, letters, published, rows, sent, value

STATE = "select case when stuck <> '{}' then 'stuck' else state end from clinic_lib.saga where key = $1"
LATE = "update clinic_lib.saga set deadline_at = now() - interval '1 second' where deadline_at is not null"


@pytest.fixture
def owner(database: Database) -> Worker:
    return Worker(shop.order_service, database)


async def place(owner: Worker) -> int:
    """A new order's id."""
    await owner.command(PlaceOrder(seat_id=1, quantity=3))
    return int(await value(owner.executor.database, 'select max(order_id) from "order"'))


async def state(database: Database, order_id: int) -> str:
    return str(await value(database, STATE, f"order_id:{order_id}"))


def reserved(number: int) -> SeatsReserved:
    return SeatsReserved(order_id=number, seat_id=1, quantity=3)


async def make_late(database: Database) -> None:
    async with database.session() as session:
        await session.execute(LATE)


async def test_an_instance_runs_from_its_start_on(owner: Worker, database: Database) -> None:
    number = await place(owner)

    assert await state(database, number) == "running"
    statement = (
        "select s.saga, s.deadline_at - s.started_at, "
        "convert_from(o.payload, 'UTF8')::jsonb ->> 'correlationid' = s.correlation_id::text "
        "from clinic_lib.saga s join clinic_lib.outbox o using (message_id)"
    )
    assert await rows(database, statement) == [("purchase", timedelta(minutes=15), True)]


@pytest.mark.parametrize(
    ("answer", "ended_as"),
    [
        (reserved, "completed"),
        (lambda number: SeatsRefused(order_id=number, reason="none left"), "compensated"),
    ],
)
async def test_its_end_tells_how_it_ended(
    answer: Callable[[int], shop.ShopEvent], ended_as: str, owner: Worker, database: Database
) -> None:
    number = await place(owner)

    await owner.poll(Log().append(answer(number)))

    assert await state(database, number) == ended_as
    statement = "select ended_at >= started_at, deadline_at, started from clinic_lib.saga"
    assert await rows(database, statement) == [(True, None, None)]


async def test_the_last_end_tells(owner: Worker, database: Database) -> None:
    number = await place(owner)
    await owner.poll(Log().append(reserved(number)))

    await owner.command(CancelOrder(order_id=number, reason="too late"), f"order_id:{number}")

    assert await state(database, number) == "compensated"


async def test_an_end_of_an_instance_that_a_restore_took_away_is_no_trouble(
    owner: Worker, database: Database
) -> None:
    number = await place(owner)
    async with database.session() as session:
        await session.execute("delete from clinic_lib.saga")

    await owner.poll(Log().append(reserved(number)))

    assert await value(database, "select count(*) from clinic_lib.saga") == 0
    assert await letters(database) == []


async def test_an_end_that_another_service_publishes_is_seen(database: Database) -> None:
    owner = Service(f"shop_lender_{shop.RUN}", system="shop")
    loan = Saga("loan", starts=SeatsReserved, ends=(SeatsReleased,))

    @owner.step
    def lend(event: OrderPlaced) -> SeatsReserved:
        return reserved(event.order_id)

    owner.saga(loan)
    worker, log = Worker(owner, database), Log()
    await worker.poll(log.append(OrderPlaced(order_id=1, seat_id=1, quantity=3)))
    assert await state(database, 1) == "running"

    await worker.poll(log.append(SeatsReleased(order_id=1, seat_id=1)))

    assert await state(database, 1) == "completed"


async def test_at_the_deadline_the_owner_decides_and_its_event_leaves(
    owner: Worker, database: Database
) -> None:
    number = await place(owner)
    await make_late(database)

    assert await DeadlineTimer(owner.executor).fire() == 1
    assert await state(database, number) == "overdue"
    await owner.poll(*await sent(database, Log(), "PurchaseDeadlineReached"))

    assert await state(database, number) == "compensated"
    assert await value(database, 'select status from "order"') == "cancelled"
    assert (await published(database))[-1] == ("OrderCancelled", str(number))
    payload = "select convert_from(payload, 'UTF8') from clinic_lib.outbox where type = 'OrderCancelled'"
    assert "nobody answered about 3 seats" in await value(database, payload)


async def test_a_deadline_is_reached_once_whatever_the_number_of_replicas(
    owner: Worker, database: Database, other_database: Database
) -> None:
    for _ in range(20):
        await place(owner)
    await make_late(database)
    timers = [DeadlineTimer(Worker(shop.order_service, each).executor) for each in (database, other_database)]

    await asyncio.gather(*(timer.fire() for timer in timers * 3))

    counted = "select count(*) from clinic_lib.outbox where type = 'PurchaseDeadlineReached'"
    assert await value(database, counted) == 20


async def test_what_stands_before_the_deadline_in_the_log_wins(owner: Worker, database: Database) -> None:
    number, log = await place(owner), Log()
    await make_late(database)
    await DeadlineTimer(owner.executor).fire()
    answered = log.append(reserved(number))

    await owner.poll(answered, *await sent(database, log, "PurchaseDeadlineReached"))

    assert await state(database, number) == "completed"
    assert await value(database, 'select status from "order"') == "confirmed"


async def test_one_that_ended_in_an_earlier_poll_is_not_decided_again(
    owner: Worker, database: Database
) -> None:
    number, log = await place(owner), Log()
    await make_late(database)
    await DeadlineTimer(owner.executor).fire()
    await owner.poll(log.append(reserved(number)))

    await owner.poll(*await sent(database, log, "PurchaseDeadlineReached"))

    assert await state(database, number) == "completed"


async def test_an_instance_that_has_ended_has_no_deadline(owner: Worker, database: Database) -> None:
    number = await place(owner)
    await owner.poll(Log().append(reserved(number)))
    await make_late(database)

    assert await DeadlineTimer(owner.executor).fire() == 0


async def test_a_start_that_cannot_be_read_any_more_stays_overdue(owner: Worker, database: Database) -> None:
    number, other = await place(owner), await place(owner)
    await make_late(database)
    async with database.session() as session:
        await session.execute(
            "update clinic_lib.saga set started = '{}'::bytea where key = $1", f"order_id:{number}"
        )

    assert await DeadlineTimer(owner.executor).fire() == 2

    assert [await state(database, each) for each in (number, other)] == ["overdue", "overdue"]
    assert ("PurchaseDeadlineReached", str(other)) in await published(database)


async def test_a_step_that_is_stuck_elsewhere_is_known_until_it_is_free(
    owner: Worker, database: Database, elsewhere: Database
) -> None:
    number, log = await place(owner), Log()
    seat = Worker(shop.seat_service, elsewhere)
    await seat.poll(*await sent(database, log, "OrderPlaced"))
    (stuck,) = await sent(elsewhere, log, "OrderStepStuck")

    await owner.poll(stuck)

    assert await state(database, number) == "stuck"
    ((service, handler, error),) = await rows(
        database,
        "select value ->> 'service', value ->> 'handler', value ->> 'error' "
        "from clinic_lib.saga, jsonb_each(stuck)",
    )
    assert (service, handler, error) == (shop.seat_service.name, "reserve", "NotFoundError")

    async with elsewhere.session() as session:
        await session.execute("insert into seat values (1, 10)")
    await seat.redriver.redrive_key(f"order_id:{number}")
    await owner.poll(*await sent(elsewhere, log, "OrderStepFreed"))
    assert await state(database, number) == "running"
    await owner.poll(*await sent(elsewhere, log, "SeatsReserved"))
    assert await state(database, number) == "completed"


@pytest.mark.parametrize(
    ("declare", "said"),
    [
        (lambda: Saga("Purchase", starts=OrderPlaced, ends=(OrderConfirmed,)), "lower case"),
        (lambda: Saga("purchase", starts=OrderPlaced, ends=()), "name the events that end it"),
        (
            lambda: Saga("purchase", starts=OrderPlaced, ends=(OrderConfirmed,), deadline=timedelta()),
            "longer than nothing",
        ),
        (
            lambda: Service("shop_x", system="shop").deadline(shop.purchase)(shop.give_up_waiting),
            "say service.saga",
        ),
    ],
)
def test_a_wrong_declaration_says_what_is_wrong(declare: Callable[[], object], said: str) -> None:
    with pytest.raises(WiringError, match=said):
        declare()


def test_who_owns_a_saga_publishes_its_start() -> None:
    service = Service(f"shop_idler_{shop.RUN}", system="shop")
    service.saga(shop.purchase)

    with pytest.raises(WiringError, match="no function publishes its start"):
        service.asgi()


def test_a_deadline_is_decided_on_the_saga_s_start() -> None:
    service = Service(f"shop_decider_{shop.RUN}", system="shop")
    service.saga(shop.purchase)

    def decide(event: OrderConfirmed, order: Order) -> OrderCancelled:
        raise AssertionError(event, order)

    with pytest.raises(WiringError, match="take OrderPlaced first"):
        service.deadline(shop.purchase)(decide)


async def test_a_timer_leaves_the_deadlines_of_sagas_that_it_does_not_know(
    owner: Worker, database: Database
) -> None:
    """Another version of the service declares it."""
    await place(owner)
    await make_late(database)
    async with database.session() as session:
        await session.execute("update clinic_lib.saga set saga = 'rental'")

    assert await DeadlineTimer(owner.executor).fire() == 0

    assert await value(database, "select deadline_at is not null from clinic_lib.saga")


async def test_a_deadline_counts_from_the_start_whatever_the_age_of_its_cause(database: Database) -> None:
    owner = Service(f"shop_latecomer_{shop.RUN}", system="shop")
    loan = Saga("loan", starts=SeatsReserved, ends=(SeatsReleased,), deadline=timedelta(minutes=15))

    @owner.step
    def lend(event: OrderPlaced) -> SeatsReserved:
        return reserved(event.order_id)

    owner.saga(loan)
    worker = Worker(owner, database)
    record = Log().append(OrderPlaced(order_id=1, seat_id=1, quantity=3))
    wire = orjson.loads(record.value) | {"time": "2026-01-01T08:00:00+00:00"}
    record.value = orjson.dumps(wire)

    await worker.poll(record)

    assert await DeadlineTimer(worker.executor).fire() == 0
    assert await value(database, "select started_at > now() - interval '1 minute' from clinic_lib.saga")


def test_notices_about_different_keys_are_different_events() -> None:
    class PaymentMade(Event, topic=shop.TOPIC, key="payment_id"):
        payment_id: int

    names = {each.declaration.type for event in (PaymentMade, OrderPlaced) for each in notices_of(event)}

    assert names == {"PaymentStepStuck", "PaymentStepFreed", "OrderStepStuck", "OrderStepFreed"}
