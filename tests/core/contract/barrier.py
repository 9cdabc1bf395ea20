"""The barrier: a step is undone once, with what it did, or never runs."""

import pytest
from sqlalchemy.orm import Mapped, mapped_column

from clinic_lib.service import Service
from clinic_lib.storage import NewIds
from tests.core import shop
from tests.core.contract.ground import Ground, cancellation, free, order, published
from tests.core.shop import Base, OrderCancelled, OrderConfirmed, OrderPlaced, Seat, SeatsReserved
from tests.core.worker import Log

__all__ = ["BarrierContract", "Note"]


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


class BarrierContract:
    """Steps and compensations."""

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
