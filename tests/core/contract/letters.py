"""Dead letters: what fails parks its key and spoils nothing else; and what the database refuses."""

from clinic_lib import letter_queue
from clinic_lib.service import Service
from tests.core import shop
from tests.core.contract.ground import Ground, cancellation, free, letters, order, published
from tests.core.shop import OrderCancelled, OrderPlaced, Seat, SeatsReleased, SeatsReserved
from tests.core.worker import Log

__all__ = ["LetterContract", "RefusalContract"]


class LetterContract:
    """Keys and dead letters."""

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


class RefusalContract:
    """What the database refuses."""

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
