"""The races of orders for one block of seats: whatever comes first, seats, orders and my page agree at rest."""

from datetime import UTC, datetime
from itertools import count

from hypothesis import strategies as st
from hypothesis.stateful import initialize, invariant, rule

from clinic_lib.storage import NewIds
from services.reservation.contracts import (
    OrderCancelled,
    OrderConfirmed,
    OrderPlaced,
    SeatsRefused,
    SeatsReserved,
    reservation,
)
from services.reservation.my_page import domain as my_page
from services.reservation.order import domain as order
from services.reservation.seat import domain as seat
from tests.services.choreography import Choreography, interleave

NOW = datetime(2026, 1, 2, tzinfo=UTC)
SEATS = 5
BLOCK, UNKNOWN_BLOCK = 3, 4


class Reservation(Choreography):
    """Some orders, for more seats than there are."""

    def __init__(self) -> None:
        super().__init__(["order", "seat", "my_page"])
        self.ids = count(1)
        self.orders: dict[int, order.Order] = {}
        self.pages: dict[int, my_page.MyPage] = {}
        self.placed: dict[int, OrderPlaced] = {}
        self.reserved: dict[int, SeatsReserved] = {}
        self.closed: set[int] = set()
        self.peers["order"].handlers = {
            SeatsReserved: lambda event: order.confirm(event, self.orders[event.order_id]),
            SeatsRefused: lambda event: order.cancel_refused(
                event, self.placed[event.order_id], self.orders[event.order_id]
            ),
            reservation.deadline_reached: lambda event: order.expire(event, self.orders[event.order_id]),
        }
        self.peers["seat"].handlers = {OrderPlaced: self.reserve, OrderCancelled: self.release}
        self.peers["my_page"].handlers = {
            OrderPlaced: self.begin_page,
            SeatsReserved: lambda event: my_page.name_seats(event, self.pages[event.order_id]),
            SeatsRefused: lambda event: my_page.name_seats(event, self.pages[event.order_id]),
            OrderConfirmed: lambda event: my_page.follow(event, self.pages[event.order_id], NOW),
            OrderCancelled: lambda event: my_page.follow(event, self.pages[event.order_id], NOW),
        }

    # what the library does for the services: rows by key, and a compensation once for each run of its step

    def reserve(self, event: OrderPlaced) -> SeatsReserved | SeatsRefused | None:
        if event.order_id in self.closed:
            return None
        done = seat.reserve(event, self.block if event.seat_id == BLOCK else None)
        if isinstance(done, SeatsReserved):
            self.reserved[event.order_id] = done
        return done

    def release(self, event: OrderCancelled) -> None:
        self.closed.add(event.order_id)
        if done := self.reserved.pop(event.order_id, None):
            self.peers["seat"].publish(seat.release(event, done, self.block))

    def begin_page(self, event: OrderPlaced) -> None:
        self.pages[event.order_id] = my_page.begin(event, NOW)

    # what people do

    @initialize()
    def create_seats(self) -> None:
        command = seat.CreateSeats(name="Stalls A", seats=SEATS)
        self.block = seat.create(command, NewIds[seat.Seat]([BLOCK]), NOW)

    @rule(quantity=st.integers(1, SEATS), block=st.sampled_from([BLOCK, BLOCK, BLOCK, UNKNOWN_BLOCK]))
    def place(self, quantity: int, block: int) -> None:
        command = order.PlaceOrder(seat_id=block, quantity=quantity, customer="Ada")
        row, event = order.place(command, NewIds[order.Order]([next(self.ids)]), NOW)
        self.orders[row.order_id], self.placed[row.order_id] = row, event
        self.peers["order"].publish(event)

    def nth_order(self, number: int) -> order.Order | None:
        return list(self.orders.values())[number % len(self.orders)] if self.orders else None

    @rule(number=st.integers(0, 5))
    def cancel(self, number: int) -> None:
        if row := self.nth_order(number):
            command = order.CancelOrder(order_id=row.order_id)
            self.command("order", lambda: order.cancel(command, row))

    @rule(number=st.integers(0, 5))
    def reach_the_deadline(self, number: int) -> None:
        if row := self.nth_order(number):
            fields = self.placed[row.order_id].model_dump()
            self.peers["order"].publish(reservation.deadline_reached(**fields))

    @invariant()
    def no_seat_is_sold_twice(self) -> None:
        assert not self.orders or 0 <= self.block.free <= SEATS

    def check(self) -> None:
        states = {row.status for row in self.orders.values()}
        assert states <= {"confirmed", "cancelled"}
        sold = sum(row.quantity for row in self.orders.values() if row.status == "confirmed")
        assert self.block.free == SEATS - sold
        self.check_that_my_page_equals_the_orders()

    def check_that_my_page_equals_the_orders(self) -> None:
        assert self.pages.keys() == self.orders.keys()
        for number, row in self.orders.items():
            page = self.pages[number]
            for field in ("seat_id", "quantity", "customer", "status", "reason"):
                assert getattr(page, field) == getattr(row, field)
            assert page.seat_name == ("Stalls A" if row.seat_id == BLOCK else None)
            steps = [step["status"] for step in page.steps]
            assert steps in (
                ["placed", "confirmed"],
                ["placed", "confirmed", "cancelled"],
                ["placed", "cancelled"],
            )
            assert steps[-1] == row.status


def test_seats_orders_and_my_page_agree_in_every_interleaving() -> None:
    interleave(Reservation, examples=250, steps=30)
