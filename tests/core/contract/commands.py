"""Commands, the views that events are folded into, and the outbox."""

from collections.abc import Sequence

from clinic_lib.delivery import Answer, CommandDelivery, Commands
from clinic_lib.errors import InvalidError, NotFoundError, Refused
from clinic_lib.idempotency import IdempotencyKey
from clinic_lib.outbox import OutboxRow, Outlet
from tests.core import shop
from tests.core.contract.ground import Ground, cancellation, order, published, saga_states
from tests.core.shop import CancelOrder, MyPage, Order, OrderConfirmed, PlaceOrder, Seat
from tests.core.worker import Log

__all__ = ["CommandContract", "OutboxContract", "ViewContract"]


class CommandContract:
    """Commands."""

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


class ViewContract:
    """Projections."""

    async def test_a_projection_folds_events_into_its_row(self, ground: Ground) -> None:
        worker, log = ground.worker(shop.page_service), Log()
        await worker.poll(log.append(order(1)), log.append(OrderConfirmed(order_id=1)))

        await worker.poll(log.append(cancellation(1)), log.append(order(2)))

        pages = [(page.order_id, page.steps) for page in await ground.rows(MyPage)]
        assert pages == [(1, ["placed", "confirmed", "cancelled"]), (2, ["placed"])]


class Kept(Outlet):
    """Keeps what is offered, and says that `sent` was acknowledged."""

    def __init__(self) -> None:
        self.sent: list[int] = []
        self.offered: list[tuple[int, str]] = []

    def take_sent(self) -> list[int]:
        return self.sent

    def offer(self, rows: Sequence[OutboxRow]) -> None:
        self.offered += [(row.id, row.type) for row in rows]


class OutboxContract:
    """What goes to the relay, and what is deleted."""

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
