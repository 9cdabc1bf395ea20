"""Sagas: how they end, what their deadlines come to, and who is stuck."""

from clinic_lib.deadlines import DeadlineTimer
from clinic_lib.messages import new_message_id
from tests.core import shop
from tests.core.contract.ground import Ground, saga_states
from tests.core.shop import Order, PlaceOrder, SeatsRefused, SeatsReserved
from tests.core.worker import Log

__all__ = ["SagaContract"]


class SagaContract:
    """Sagas and deadlines."""

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
