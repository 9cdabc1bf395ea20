"""A done step is undone once, latest first, with what it did in hand."""

import asyncio

import pytest
from sqlalchemy.orm import Mapped, mapped_column

from clinic_lib.decoding import decode
from clinic_lib.delivery import Poll
from clinic_lib.service import Service
from clinic_lib.storage import Database, NewIds
from tests.core import shop
from tests.core.shop import (
    Base,
    MyPage,
    OrderCancelled,
    OrderConfirmed,
    OrderPlaced,
    PlaceOrder,
    Seat,
    SeatsRefused,
    SeatsReserved,
)
from tests.core.worker import Log, Worker, letters, published, rows, value


@pytest.fixture(autouse=True)
async def seats(database: Database) -> None:
    async with database.session() as session:
        await session.execute("insert into seat select i, 10 from generate_series(1, 3) i")


@pytest.fixture
def worker(database: Database) -> Worker:
    return Worker(shop.seat_service, database)


def order(number: int = 1, quantity: int = 3, seat: int = 1) -> OrderPlaced:
    return OrderPlaced(order_id=number, seat_id=seat, quantity=quantity)


def cancellation(number: int = 1) -> OrderCancelled:
    return OrderCancelled(order_id=number, reason="changed my mind")


async def free(database: Database, seat: int = 1) -> int:
    return int(await value(database, "select free from seat where seat_id = $1", seat))


async def test_a_step_is_undone_with_what_it_did(worker: Worker, database: Database) -> None:
    log = Log()
    await worker.poll(log.append(order()))
    assert await free(database) == 7

    await worker.poll(log.append(cancellation()))

    assert await free(database) == 10
    assert await published(database) == [("SeatsReserved", "1"), ("SeatsReleased", "1")]


async def test_a_step_that_never_ran_is_not_undone(worker: Worker, database: Database) -> None:
    log = Log()
    await worker.poll(log.append(order(1)))

    await worker.poll(log.append(cancellation(2)))

    assert await free(database) == 7
    assert await letters(database) == []


async def test_a_step_is_undone_at_most_once(worker: Worker, database: Database) -> None:
    log = Log()
    await worker.poll(log.append(order()))

    await worker.poll(log.append(cancellation()), log.append(cancellation()))
    await worker.poll(log.append(cancellation()))

    assert await free(database) == 10
    assert [name for name, _ in await published(database)].count("SeatsReleased") == 1


async def test_a_compensation_that_comes_first_blocks_the_step(worker: Worker, database: Database) -> None:
    log = Log()
    await worker.poll(log.append(cancellation()))

    await worker.poll(log.append(order()))

    assert await free(database) == 10
    assert await published(database) == []
    assert await letters(database) == []


async def test_a_compensation_that_comes_first_in_one_poll_blocks_the_step(
    worker: Worker, database: Database
) -> None:
    log = Log()

    await worker.poll(log.append(cancellation()), log.append(order()), log.append(order(2)))

    assert await free(database) == 7
    assert await published(database) == [("SeatsReserved", "2")]


async def test_step_and_compensation_in_one_poll_leave_nothing(worker: Worker, database: Database) -> None:
    log = Log()

    await worker.poll(log.append(order()), log.append(cancellation()), log.append(cancellation()))

    assert await free(database) == 10
    assert [name for name, _ in await published(database)] == ["SeatsReserved", "SeatsReleased"]
    assert await rows(database, "select state from clinic_lib.barrier") == [("compensated",)]


async def test_several_runs_are_undone_each(worker: Worker, database: Database) -> None:
    log = Log()
    await worker.poll(log.append(order(1, 1, seat=1)), log.append(order(1, 2, seat=2)))
    await worker.poll(log.append(order(1, 4, seat=3)))

    await worker.poll(log.append(cancellation()))

    assert await rows(database, "select free from seat") == [(10,)] * 3


class Note(Base):
    """What a compensation was handed, in the order in which it ran."""

    __tablename__ = "note"

    note_id: Mapped[int] = mapped_column(primary_key=True)
    text: Mapped[str]


notes_service = Service(f"shop_notes_{shop.RUN}", system="shop")


@notes_service.step
def begin(event: OrderPlaced) -> SeatsReserved:
    return SeatsReserved(order_id=event.order_id, seat_id=event.seat_id, quantity=event.quantity)


@notes_service.compensation(begin)
def note_begin(event: OrderCancelled, done: SeatsReserved, ids: NewIds[Note]) -> Note:
    return Note(next(ids), f"seat {done.seat_id}")


@pytest.mark.parametrize("polls", [1, 2])
async def test_runs_are_undone_latest_first(polls: int, database: Database) -> None:
    worker, log = Worker(notes_service, database), Log()
    records = [log.append(order(seat=n)) for n in (1, 2, 3)]
    if polls == 2:
        await worker.poll(*records)
        records = []

    await worker.poll(*records, log.append(cancellation()))

    assert await rows(database, "select text from note order by note_id") == [
        ("seat 3",),
        ("seat 2",),
        ("seat 1",),
    ]


async def test_a_step_that_answered_with_a_failure_leaves_nothing_to_undo(
    worker: Worker, database: Database
) -> None:
    log = Log()
    await worker.poll(log.append(order(quantity=11)))

    await worker.poll(log.append(cancellation()))

    assert await free(database) == 10
    assert await published(database) == [("SeatsRefused", "1")]


async def test_a_step_whose_message_failed_leaves_nothing_to_undo(database: Database) -> None:
    service = Service(f"shop_failing_{shop.RUN}", system="shop")

    @service.step
    def charge(event: OrderPlaced, seat: Seat) -> SeatsReserved:
        seat.free -= event.quantity
        return SeatsReserved(order_id=event.order_id, seat_id=1, quantity=event.quantity)

    @service.step
    def stumble(event: OrderPlaced) -> None:
        raise RuntimeError("the second function of the same event")

    @service.compensation(charge)
    def repay(event: OrderCancelled, done: SeatsReserved, seat: Seat) -> None:
        seat.free += done.quantity

    await Worker(service, database).poll(Log().append(order()))

    assert await rows(database, "select * from clinic_lib.barrier") == []
    assert await free(database) == 10


async def test_a_compensation_that_raises_is_undone_and_may_run_again(database: Database) -> None:
    service, broken = Service(f"shop_broken_{shop.RUN}", system="shop"), [True]

    @service.step
    def charge(event: OrderPlaced, seat: Seat) -> SeatsReserved:
        seat.free -= event.quantity
        return SeatsReserved(order_id=event.order_id, seat_id=1, quantity=event.quantity)

    @service.compensation(charge)
    def repay(event: OrderCancelled, done: SeatsReserved, seat: Seat) -> None:
        seat.free += done.quantity
        if broken:
            raise RuntimeError("no money")

    worker, log = Worker(service, database), Log()
    await worker.poll(log.append(order()), log.append(cancellation()))
    assert await rows(database, "select state from clinic_lib.barrier") == [("done",)]
    broken.clear()
    async with database.session() as session:
        await session.execute("delete from clinic_lib.dead_letter")

    await worker.poll(log.append(cancellation()))

    assert await free(database) == 10
    assert await rows(database, "select state from clinic_lib.barrier") == [("compensated",)]


async def test_two_processes_undo_a_step_once(
    worker: Worker, database: Database, other_database: Database
) -> None:
    await worker.poll(Log().append(order()))
    other = Worker(shop.seat_service, other_database)

    await asyncio.gather(
        worker.poll(Log(1).append(cancellation())), other.poll(Log(2).append(cancellation()))
    )

    assert await free(database) == 10


either_service = Service(f"shop_either_{shop.RUN}", system="shop")


@either_service.step
def seat_or_show(event: OrderPlaced) -> SeatsReserved | OrderConfirmed | None:
    """Answers with what names the seat, with what does not, or with nothing."""
    match event.quantity:
        case 1:
            return SeatsReserved(order_id=event.order_id, seat_id=event.seat_id, quantity=1)
        case 2:
            return OrderConfirmed(order_id=event.order_id)
    return None


@either_service.compensation(seat_or_show)
def unseat(event: OrderCancelled, done: SeatsReserved, seat: Seat) -> None:
    seat.free += done.quantity


@pytest.mark.parametrize(("quantity", "expected"), [(1, 11), (2, 10), (3, 10)])
@pytest.mark.parametrize("polls", [1, 2])
async def test_a_run_that_answered_otherwise_than_the_compensation_undoes_is_left_alone(
    polls: int, quantity: int, expected: int, database: Database
) -> None:
    worker, log = Worker(either_service, database), Log()
    records = [log.append(order(quantity=quantity))]
    if polls == 2:
        await worker.poll(*records)
        records = []

    await worker.poll(*records, log.append(cancellation()))

    assert await free(database) == expected
    assert await letters(database) == []


silent_service = Service(f"shop_silent_{shop.RUN}", system="shop")


@silent_service.step
def reserve_silently(event: OrderPlaced) -> SeatsReserved:
    return SeatsReserved(order_id=event.order_id, seat_id=event.seat_id, quantity=event.quantity)


@silent_service.compensation(reserve_silently)
def release_silently(event: OrderCancelled, seat: Seat) -> None:
    """Takes the row that the step's answer names, and not the answer."""
    seat.free += 1


@pytest.mark.parametrize("polls", [1, 2])
async def test_a_row_is_found_by_the_steps_answer_without_asking_for_it(
    polls: int, database: Database
) -> None:
    worker, log = Worker(silent_service, database), Log()
    records = [log.append(order())]
    if polls == 2:
        await worker.poll(*records)
        records = []

    await worker.poll(*records, log.append(cancellation()))

    assert await free(database) == 11


async def test_a_command_is_undone_like_a_step(database: Database) -> None:
    worker = Worker(shop.order_service, database)
    await worker.command(PlaceOrder(seat_id=1, quantity=11))

    await worker.poll(Log().append(SeatsRefused(order_id=1, reason="10 seats left")))

    assert await rows(database, 'select status from "order"') == [("cancelled",)]
    assert await published(database) == [("OrderPlaced", "1"), ("OrderCancelled", "1")]


two_ways = Service(f"shop_two_ways_{shop.RUN}", system="shop")


@two_ways.step
def hold(event: OrderPlaced, seat: Seat) -> SeatsReserved:
    seat.free -= event.quantity
    return SeatsReserved(order_id=event.order_id, seat_id=event.seat_id, quantity=event.quantity)


@two_ways.compensation(hold)
def drop_cancelled(event: OrderCancelled, done: SeatsReserved, seat: Seat) -> None:
    seat.free += done.quantity


@two_ways.compensation(hold)
def drop_refused(event: SeatsRefused, done: SeatsReserved, seat: Seat) -> None:
    seat.free += done.quantity


@two_ways.step
def show(event: OrderCancelled, page: MyPage | None) -> MyPage:
    return MyPage(event.order_id, "cancelled")


async def test_of_two_compensations_of_a_step_the_first_to_come_undoes_it(database: Database) -> None:
    worker, log = Worker(two_ways, database), Log()
    await worker.poll(log.append(order()))

    await worker.poll(log.append(SeatsRefused(order_id=1, reason="none")), log.append(cancellation()))

    assert await free(database) == 10
    assert await rows(database, "select status from my_page") == [("cancelled",)]


async def test_steps_of_a_saga_that_was_compensated_do_not_touch_other_sagas(
    worker: Worker, database: Database
) -> None:
    log = Log()
    await worker.poll(log.append(order(1)), log.append(cancellation(1)))

    await worker.poll(log.append(order(2)))

    assert await free(database) == 7


async def test_a_redelivered_step_is_not_run_again_after_its_compensation(
    worker: Worker, database: Database
) -> None:
    placed = Log().append(order())
    await worker.poll(placed)
    await worker.poll(Log(1).append(cancellation()))

    elsewhere = decode(placed, "other/shop", worker.known)
    assert elsewhere is not None
    await worker.executor.run(Poll([elsewhere], {("other/shop", 0): 1}))
    await worker.poll(Log(2).append(order()))

    assert await free(database) == 10


lounge_service = Service(f"shop_lounge_{shop.RUN}", system="shop")


@lounge_service.step
def enter(event: OrderPlaced, page: MyPage | None) -> tuple[MyPage, SeatsReserved]:
    return MyPage(event.order_id, "in", ["enter"]), SeatsReserved(
        order_id=event.order_id, seat_id=1, quantity=1
    )


@lounge_service.step
def sit(event: SeatsReserved, page: MyPage) -> OrderConfirmed:
    page.steps = [*page.steps, f"sit {event.quantity}"]
    return OrderConfirmed(order_id=event.order_id)


@lounge_service.compensation(enter)
def leave(event: OrderCancelled, done: SeatsReserved, page: MyPage) -> None:
    page.steps = [*page.steps, f"leave {done.seat_id}"]


@lounge_service.compensation(sit)
def rise(event: OrderCancelled, done: OrderConfirmed, page: MyPage) -> None:
    page.steps = [*page.steps, "rise"]


@pytest.mark.parametrize("polls", [1, 4])
async def test_several_steps_are_undone_in_the_reverse_order_of_their_runs(
    polls: int, database: Database
) -> None:
    """`sit` ran last, so `rise` comes before `leave`, whatever the order of their declarations."""
    worker, log = Worker(lounge_service, database), Log()
    events = [
        log.append(order()),
        log.append(SeatsReserved(order_id=1, seat_id=1, quantity=1)),
        log.append(SeatsReserved(order_id=1, seat_id=1, quantity=2)),
        log.append(cancellation()),
    ]

    for each in [events] if polls == 1 else [[event] for event in events]:
        await worker.poll(*each)

    (steps,) = await rows(database, "select steps from my_page")
    assert steps == (["enter", "sit 1", "sit 2", "rise", "rise", "leave 1"],)
