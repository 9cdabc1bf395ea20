"""Messages: each takes effect once, wherever it stands in the log and however often it comes."""

from clinic_lib import inbox
from clinic_lib.messages import new_message_id
from tests.core import shop
from tests.core.contract.ground import Ground, cancellation, free, order, published
from tests.core.shop import Seat
from tests.core.worker import LOG, Log

__all__ = ["MessageContract"]


class MessageContract:
    """Inbox and offsets."""

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
