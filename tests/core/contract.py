"""What the executor does with messages, rows, barrier, letters, sagas and keys, on whatever storage it stands.

`ExecutorContract` has the tests; who inherits from it says by the fixture `ground` where they run.
"""

from collections.abc import Sequence
from typing import Any, Protocol

import pytest
from sqlalchemy.orm import Mapped, mapped_column

from clinic_lib import inbox, letter_queue
from clinic_lib.deadlines import DeadlineTimer
from clinic_lib.delivery import Answer, CommandDelivery, Commands
from clinic_lib.errors import InvalidError, NotFoundError, Refused
from clinic_lib.idempotency import IdempotencyKey
from clinic_lib.messages import new_message_id
from clinic_lib.outbox import OutboxRow, Outlet
from clinic_lib.service import Service
from clinic_lib.storage import NewIds, Storage
from tests.core import shop
from tests.core.shop import (
    Base,
    CancelOrder,
    MyPage,
    Order,
    OrderCancelled,
    OrderConfirmed,
    OrderPlaced,
    PlaceOrder,
    Seat,
    SeatsRefused,
    SeatsReleased,
    SeatsReserved,
)
from tests.core.worker import LOG, Log, Worker

__all__ = ["ExecutorContract", "Ground", "Note"]


class Note(Base):
    """What a compensation was handed, in the order in which it ran."""

    __tablename__ = "contract_note"

    note_id: Mapped[int] = mapped_column(primary_key=True)
    text: Mapped[str]


notes_service = Service(f"shop_contract_{shop.RUN}", system="shop")


@notes_service.step
def begin(event: OrderPlaced) -> SeatsReserved:
    return SeatsReserved(order_id=event.order_id, seat_id=event.seat_id, quantity=event.quantity)


@notes_service.step
def follow(event: OrderConfirmed) -> SeatsReserved:
    return SeatsReserved(order_id=event.order_id, seat_id=99, quantity=1)


@notes_service.compensation(begin)
def note_begin(event: OrderCancelled, done: SeatsReserved, ids: NewIds[Note]) -> Note:
    return Note(next(ids), f"begin {done.seat_id}")


@notes_service.compensation(follow)
def note_follow(event: OrderCancelled, done: SeatsReserved, ids: NewIds[Note]) -> Note:
    return Note(next(ids), "follow")


class Ground(Protocol):
    """A storage with the shop's tables, and what a test does with it."""

    @property
    def storage(self) -> Storage: ...

    def worker(self, service: Service) -> Worker:
        """A process of a service on it."""

    async def put(self, *rows: Any) -> None:
        """Rows that are there."""

    async def rows(self, row: type) -> list[Any]:
        """All rows of a class, by their keys."""

    async def library(self, table: str, *columns: str) -> list[tuple[Any, ...]]:
        """Columns of one of the library's tables."""

    async def let_time_pass(self) -> None:
        """An hour: all deadlines and retries are due."""


def order(number: int = 1, quantity: int = 3, seat: int = 1) -> OrderPlaced:
    return OrderPlaced(order_id=number, seat_id=seat, quantity=quantity)


def cancellation(number: int = 1) -> OrderCancelled:
    return OrderCancelled(order_id=number, reason="changed my mind")


async def free(ground: Ground, seat: int = 1) -> int:
    return next(int(row.free) for row in await ground.rows(Seat) if row.seat_id == seat)


async def published(ground: Ground) -> list[tuple[str, str]]:
    """The functions' events, in the order of the outbox."""
    found = sorted(await ground.library("outbox", "id", "type", "aggregateid"))
    return [(type_, subject) for _, type_, subject in found if "Step" not in type_]


async def letters(ground: Ground) -> list[tuple[str, str | None]]:
    found = sorted(await ground.library("dead_letter", "id", "state", "key"))
    return [(state, key) for _, state, key in found]


async def saga_states(ground: Ground) -> list[str]:
    return [state for _, state in sorted(await ground.library("saga", "id", "state"))]


class Kept(Outlet):
    """Keeps what is offered, and says that `sent` was acknowledged."""

    def __init__(self) -> None:
        self.sent: list[int] = []
        self.offered: list[tuple[int, str]] = []

    def take_sent(self) -> list[int]:
        return self.sent

    def offer(self, rows: Sequence[OutboxRow]) -> None:
        self.offered += [(row.id, row.type) for row in rows]


class ExecutorContract:
    """One executor, whatever stores what it decides."""

    # inbox and offsets

    async def test_the_same_message_twice_in_one_poll_is_handled_once(self, ground: Ground) -> None:
        await ground.put(Seat(1, 10))
        worker, log, message_id = ground.worker(shop.seat_service), Log(), new_message_id()

        await worker.poll(log.append(order(), message_id), log.append(order(), message_id))

        assert await free(ground) == 7
        assert await published(ground) == [("SeatsReserved", "1")]

    async def test_the_same_message_at_another_place_is_handled_once(self, ground: Ground) -> None:
        await ground.put(Seat(1, 10))
        worker, message_id = ground.worker(shop.seat_service), new_message_id()
        await worker.poll(Log(0).append(order(), message_id))

        await worker.poll(Log(1).append(order(), message_id))

        assert await free(ground) == 7
        assert await inbox.positions(ground.storage, [LOG]) == {(LOG, 0): 1, (LOG, 1): 1}

    async def test_records_below_the_stored_offset_are_skipped(self, ground: Ground) -> None:
        await ground.put(Seat(1, 10))
        worker, log = ground.worker(shop.seat_service), Log()
        early, late = log.append(order(1)), log.append(order(2))
        await worker.poll(late)

        await worker.poll(early)

        assert await free(ground) == 7
        assert await inbox.positions(ground.storage, [LOG, "elsewhere/shop"]) == {(LOG, 0): 2}

    async def test_a_poll_that_comes_again_whole_changes_nothing(self, ground: Ground) -> None:
        await ground.put(Seat(1, 10))
        worker, log = ground.worker(shop.seat_service), Log()
        records = [log.append(order(1)), log.append(order(2)), log.append(cancellation(1))]
        await worker.poll(*records)

        await ground.worker(shop.seat_service).poll(*records)

        assert await free(ground) == 7
        assert len(await published(ground)) == 3

    # the barrier

    async def test_a_step_is_undone_with_what_it_did_and_once(self, ground: Ground) -> None:
        await ground.put(Seat(1, 10))
        worker, log = ground.worker(shop.seat_service), Log()
        await worker.poll(log.append(order()))

        await worker.poll(log.append(cancellation()), log.append(cancellation()))
        await worker.poll(log.append(cancellation()))

        assert await free(ground) == 10
        assert await published(ground) == [("SeatsReserved", "1"), ("SeatsReleased", "1")]
        assert await ground.library("barrier", "state") == [("compensated",)]

    async def test_a_step_that_never_ran_is_not_undone(self, ground: Ground) -> None:
        await ground.put(Seat(1, 10))
        worker, log = ground.worker(shop.seat_service), Log()
        await worker.poll(log.append(order(1)))

        await worker.poll(log.append(cancellation(2)))

        assert await free(ground) == 7

    @pytest.mark.parametrize("polls", [1, 2])
    async def test_a_compensation_that_comes_first_blocks_the_step(self, polls: int, ground: Ground) -> None:
        await ground.put(Seat(1, 10))
        worker, log = ground.worker(shop.seat_service), Log()
        records = [log.append(cancellation()), log.append(order())]

        for part in [records] if polls == 1 else [records[:1], records[1:]]:
            await worker.poll(*part)

        assert await free(ground) == 10
        assert await published(ground) == []
        assert await ground.library("barrier", "step", "state") == [("reserve", "closed")]

    async def test_step_and_compensation_in_one_poll_leave_nothing(self, ground: Ground) -> None:
        await ground.put(Seat(1, 10))
        log = Log()

        await ground.worker(shop.seat_service).poll(log.append(order()), log.append(cancellation()))

        assert await free(ground) == 10
        assert [name for name, _ in await published(ground)] == ["SeatsReserved", "SeatsReleased"]

    async def test_a_step_that_answered_with_a_failure_leaves_nothing_to_undo(self, ground: Ground) -> None:
        await ground.put(Seat(1, 2))
        worker, log = ground.worker(shop.seat_service), Log()
        await worker.poll(log.append(order(quantity=3)))

        await worker.poll(log.append(cancellation()))

        assert await free(ground) == 2
        assert await published(ground) == [("SeatsRefused", "1")]

    @pytest.mark.parametrize("polls", [1, 2])
    async def test_runs_are_undone_latest_first_whichever_step_s_they_are(
        self, polls: int, ground: Ground
    ) -> None:
        worker, log = ground.worker(notes_service), Log()
        done = [log.append(order(seat=1)), log.append(OrderConfirmed(order_id=1)), log.append(order(seat=2))]
        if polls == 2:
            await worker.poll(*done)
            done = []

        await worker.poll(*done, log.append(cancellation()))

        assert [row.text for row in await ground.rows(Note)] == ["begin 2", "follow", "begin 1"]

    # keys and dead letters

    async def test_a_message_that_fails_parks_its_key_and_no_other(self, ground: Ground) -> None:
        await ground.put(Seat(1, 10))
        worker, log = ground.worker(shop.seat_service), Log()

        await worker.poll(log.append(order(1, seat=9)), log.append(cancellation(1)), log.append(order(2)))
        await worker.poll(log.append(cancellation(1)))

        key = "order_id:1"
        assert await letters(ground) == [("failed", key), ("waiting", key), ("waiting", key)]
        assert await free(ground) == 7

    async def test_a_function_that_raises_leaves_nothing_behind(self, ground: Ground) -> None:
        service = Service(f"shop_contract_raising_{shop.RUN}", system="shop")

        @service.step
        def charge(event: OrderPlaced, seat: Seat) -> SeatsReserved:
            seat.free -= event.quantity
            if event.order_id == 2:
                raise RuntimeError("no money")
            return SeatsReserved(order_id=event.order_id, seat_id=1, quantity=event.quantity)

        await ground.put(Seat(1, 10))
        log = Log()

        await ground.worker(service).poll(*(log.append(order(number)) for number in (1, 2, 3)))

        assert await free(ground) == 4
        assert await published(ground) == [("SeatsReserved", "1"), ("SeatsReserved", "3")]

    async def test_after_a_fix_a_key_s_letters_are_handled_in_their_order(self, ground: Ground) -> None:
        worker, log = ground.worker(shop.seat_service), Log()
        await worker.poll(log.append(order(1)), log.append(cancellation(1)))
        await ground.put(Seat(1, 10))

        outcome = await worker.redriver.redrive_key("order_id:1")

        assert (outcome.handled, outcome.remaining) == (2, 0)
        assert await letters(ground) == []
        assert await published(ground) == [("SeatsReserved", "1"), ("SeatsReleased", "1")]
        assert await free(ground) == 10

    async def test_one_that_fails_again_stops_the_rest(self, ground: Ground) -> None:
        worker, log = ground.worker(shop.seat_service), Log()
        await worker.poll(log.append(order(1)), log.append(cancellation(1)))

        outcome = await worker.redriver.redrive_key("order_id:1")

        assert (outcome.handled, outcome.remaining) == (0, 2)
        assert outcome.error is not None and outcome.error.startswith("NotFoundError: there is no seat")
        assert await ground.library("dead_letter", "attempts") == [(2,), (0,)]

    async def test_what_waits_behind_a_discarded_letter_is_handled(self, ground: Ground) -> None:
        await ground.put(Seat(1, 10))
        worker, log = ground.worker(shop.seat_service), Log()
        await worker.poll(log.append(order(1, seat=9)), log.append(order(1)))
        (head, _) = await letter_queue.of_key(ground.storage, "order_id:1")

        await worker.redriver.discard(head)

        assert await letters(ground) == []
        assert await free(ground) == 7

    async def test_a_compensation_that_fails_is_tried_again_by_itself_five_times(
        self, ground: Ground
    ) -> None:
        service = Service(f"shop_contract_broken_{shop.RUN}", system="shop")
        reserve = service.step(shop.reserve)

        @service.compensation(reserve)
        def repay(event: OrderCancelled, done: SeatsReserved, seat: Seat) -> SeatsReleased:
            seat.free += done.quantity
            raise RuntimeError("no money")

        await ground.put(Seat(1, 10))
        worker, log = ground.worker(service), Log()
        await worker.poll(log.append(order()), log.append(cancellation()))
        assert await letters(ground) == [("retrying", "order_id:1")]

        for _ in range(4):
            await ground.let_time_pass()
            assert await letter_queue.claim_retries(ground.storage) == {"order_id:1"}
            await worker.redriver.redrive_key("order_id:1")

        assert await ground.library("dead_letter", "state", "attempts") == [("failed", 5)]
        assert ("OrderStepStuck",) in await ground.library("outbox", "type")
        assert await free(ground) == 7

    async def test_a_record_that_is_no_event_is_put_aside(self, ground: Ground) -> None:
        await ground.put(Seat(1, 10))
        log = Log()

        await ground.worker(shop.seat_service).poll(
            log.append_raw(b"1", b"{", [("type", b"OrderPlaced"), ("id", b"short")]), log.append(order())
        )

        assert await letters(ground) == [("malformed", None)]
        assert await free(ground) == 7

    # what the database refuses

    async def test_a_row_that_a_check_refuses_spoils_its_message_alone(self, ground: Ground) -> None:
        service = Service(f"shop_contract_greedy_{shop.RUN}", system="shop")

        @service.step
        def take(event: OrderPlaced, seat: Seat) -> None:
            seat.free -= event.quantity

        await ground.put(Seat(1, 4))
        log = Log()

        await ground.worker(service).poll(*(log.append(order(number)) for number in (1, 2)))

        assert await free(ground) == 1
        ((error,),) = await ground.library("dead_letter", "error")
        assert 'violates check constraint "seat_free_not_negative"' in error

    async def test_a_second_row_with_a_unique_value_spoils_its_message_alone(self, ground: Ground) -> None:
        service = Service(f"shop_contract_naming_{shop.RUN}", system="shop")

        @service.step
        def name(event: OrderPlaced) -> Seat:
            return Seat(event.order_id, 1, name=f"block {event.quantity}")

        log = Log()

        await ground.worker(service).poll(
            *(log.append(order(n, quantity)) for n, quantity in ((1, 5), (2, 5), (3, 6)))
        )

        assert [row.seat_id for row in await ground.rows(Seat)] == [1, 3]
        ((error,),) = await ground.library("dead_letter", "error")
        assert error.startswith("UniqueViolationError: duplicate key value violates unique constraint")

    # views

    async def test_a_projection_folds_events_into_its_row(self, ground: Ground) -> None:
        worker, log = ground.worker(shop.page_service), Log()
        await worker.poll(log.append(order(1)), log.append(OrderConfirmed(order_id=1)))

        await worker.poll(log.append(cancellation(1)), log.append(order(2)))

        pages = [(page.order_id, page.steps) for page in await ground.rows(MyPage)]
        assert pages == [(1, ["placed", "confirmed", "cancelled"]), (2, ["placed"])]

    # commands

    async def test_a_command_makes_a_row_with_a_new_id_and_begins_a_saga(self, ground: Ground) -> None:
        worker = ground.worker(shop.order_service)

        for _ in range(2):
            await worker.command(PlaceOrder(seat_id=1, quantity=3))

        assert [row.order_id for row in await ground.rows(Order)] == [1, 2]
        assert await saga_states(ground) == ["running", "running"]

    async def test_a_command_that_is_refused_changes_nothing(self, ground: Ground) -> None:
        worker = ground.worker(shop.order_service)
        await worker.command(PlaceOrder(seat_id=1, quantity=3))
        cancel = CancelOrder(order_id=1, reason="no")
        await worker.command(cancel, "order_id:1")

        answer = await worker.command(cancel, "order_id:1")

        assert isinstance(answer, Refused)
        assert isinstance(
            await worker.command(CancelOrder(order_id=9, reason="no"), "order_id:9"), NotFoundError
        )
        assert [name for name, _ in await published(ground)] == ["OrderPlaced", "OrderCancelled"]

    async def test_a_command_under_a_key_takes_effect_once(self, ground: Ground) -> None:
        worker = ground.worker(shop.order_service)

        def under(body: bytes) -> CommandDelivery:
            delivery = worker.delivery(PlaceOrder(seat_id=1, quantity=3))
            delivery.idempotency = IdempotencyKey("k", "/orders", body)
            return delivery

        together, later, other = [under(b"a"), under(b"a")], under(b"a"), under(b"b")
        for group in (together, [later], [other]):
            await worker.executor.run(Commands(list(group)))

        assert all(isinstance(each.answer, Answer) for each in (*together, later))
        assert isinstance(other.answer, InvalidError)
        assert len(await ground.rows(Order)) == 1

    # sagas and deadlines

    async def test_an_end_tells_how_a_saga_ended(self, ground: Ground) -> None:
        worker, log = ground.worker(shop.order_service), Log()
        for _ in range(2):
            await worker.command(PlaceOrder(seat_id=1, quantity=3))

        await worker.poll(
            log.append(SeatsReserved(order_id=1, seat_id=1, quantity=3)),
            log.append(SeatsRefused(order_id=2, reason="none left")),
        )

        assert await saga_states(ground) == ["completed", "compensated"]
        assert await ground.library("saga", "deadline_at", "started") == [(None, None)] * 2

    async def test_a_deadline_is_reached_once_and_decided_by_its_owner(self, ground: Ground) -> None:
        worker, log = ground.worker(shop.order_service), Log()
        await worker.command(PlaceOrder(seat_id=1, quantity=3))
        timer = DeadlineTimer(worker.executor)
        assert await timer.fire() == 0

        await ground.let_time_pass()
        assert [await timer.fire(), await timer.fire()] == [1, 0]
        assert await saga_states(ground) == ["overdue"]
        await worker.poll(log.append(shop.purchase.deadline_reached(order_id=1, seat_id=1, quantity=3)))

        assert await saga_states(ground) == ["compensated"]
        assert [row.status for row in await ground.rows(Order)] == ["cancelled"]

    async def test_one_that_ended_before_its_deadline_is_not_decided_again(self, ground: Ground) -> None:
        worker, log = ground.worker(shop.order_service), Log()
        await worker.command(PlaceOrder(seat_id=1, quantity=3))
        await worker.poll(log.append(SeatsReserved(order_id=1, seat_id=1, quantity=3)))

        await ground.let_time_pass()
        assert await DeadlineTimer(worker.executor).fire() == 0
        await worker.poll(log.append(shop.purchase.deadline_reached(order_id=1, seat_id=1, quantity=3)))

        assert await saga_states(ground) == ["completed"]

    async def test_what_stands_before_the_deadline_in_the_log_wins(self, ground: Ground) -> None:
        worker, log = ground.worker(shop.order_service), Log()
        await worker.command(PlaceOrder(seat_id=1, quantity=3))

        await worker.poll(
            log.append(SeatsReserved(order_id=1, seat_id=1, quantity=3)),
            log.append(shop.purchase.deadline_reached(order_id=1, seat_id=1, quantity=3)),
        )

        assert [row.status for row in await ground.rows(Order)] == ["confirmed"]

    async def test_an_owner_knows_who_is_stuck_until_it_is_free(self, ground: Ground) -> None:
        worker, log = ground.worker(shop.order_service), Log()
        await worker.command(PlaceOrder(seat_id=1, quantity=3))
        stuck, freed = shop.purchase.notices
        cause = new_message_id()
        told = {"order_id": 1, "service": "seat", "message_id": cause}

        await worker.poll(
            log.append(stuck(**told, handler="reserve", message_type="OrderPlaced", error="KeyError"))
        )
        ((before,),) = await ground.library("saga", "stuck")
        await worker.poll(log.append(freed(**told)))

        ((after,),) = await ground.library("saga", "stuck")
        assert str(cause) in str(before)
        assert str(cause) not in str(after)

    # the outbox

    async def test_older_events_of_a_key_come_along_and_what_was_sent_is_deleted(
        self, ground: Ground
    ) -> None:
        await ground.put(Seat(1, 10))
        worker, log = ground.worker(shop.seat_service), Log()
        await worker.poll(log.append(order(1)), log.append(order(2)))

        outlet = Kept()
        worker.executor.outlet = outlet
        await worker.poll(log.append(cancellation(1)))
        outlet.sent = [row_id for row_id, _ in outlet.offered]
        await worker.poll(log.append(cancellation(2)))

        assert outlet.offered[:2] == [(1, "SeatsReserved"), (3, "SeatsReleased")]
        assert sorted(await ground.library("outbox", "id")) == [(2,), (4,)]
