"""Copies of the shop's small services, each with a bug that somebody might write."""

from typing import Any

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection
from sqlalchemy.orm import Mapped, mapped_column

from clinic_lib.messages import Event, Id
from clinic_lib.service import Service
from clinic_lib.testing.outcome import Outcome
from clinic_lib.testing.scenario import Scenario, Written
from tests.core import shop
from tests.core.shop import (
    Base,
    CancelOrder,
    Order,
    OrderCancelled,
    OrderConfirmed,
    OrderPlaced,
    PlaceOrder,
    Seat,
    SeatsRefused,
    SeatsReserved,
)

__all__ = [
    "Charge",
    "Count",
    "an_order_or_two",
    "cancelled_once",
    "careful_payment",
    "careless_payment",
    "charged_once",
    "forgetful_order",
    "greedy_seat",
    "old_contract",
    "order",
    "orders_for_three_seats",
    "page_that_counts_twice",
    "reader_without_upcaster",
    "seat",
    "seat_without_compensation",
    "seats_add_up",
    "some_orders",
    "three_seats",
    "never_oversold",
]

SEATS = 3


class Taken(Base):
    __tablename__ = "planted_taken"

    order_id: Mapped[int] = mapped_column(primary_key=True)
    quantity: Mapped[int]


class Count(Base):
    __tablename__ = "planted_count"

    order_id: Mapped[int] = mapped_column(primary_key=True)
    cancellations: Mapped[int]


class Charge(Base):
    __tablename__ = "planted_charge"

    charge_id: Mapped[int] = mapped_column(primary_key=True)
    order_id: Mapped[int]


def copy_of(service: Service, name: str, *, without: str = "") -> Service:
    """A service with the same functions, but for one."""
    copied = Service(name, system=service.system)
    for saga in service.sagas:
        copied.saga(saga)
    for each in service.handlers:
        if each.name == without:
            continue
        match each.kind:
            case "command":
                (path,) = (e.path for e in service.endpoints() if e.handler.name == each.name)
                copied.command("POST", path)(each.function)
            case "compensation":
                assert each.compensates is not None
                copied.compensation(each.compensates.function)(each.function)
            case "deadline":
                copied.deadline(service.sagas[0])(each.function)
            case "projection":
                copied.projection(each.function)
            case "step":
                copied.step(each.function)
    return copied


order = copy_of(shop.order_service, "order")
seat = copy_of(shop.seat_service, "seat")

seat_without_compensation = copy_of(shop.seat_service, "seat", without="release")


greedy_seat = Service("seat", system="shop")


@greedy_seat.step
def take(event: OrderPlaced, taken: list[Taken]) -> tuple[Taken, SeatsReserved] | SeatsRefused:
    """It is handed what this order took, not what the block gave away."""
    if sum(each.quantity for each in taken) + event.quantity > SEATS:
        return SeatsRefused(order_id=event.order_id, reason="sold out")
    reserved = SeatsReserved(order_id=event.order_id, seat_id=event.seat_id, quantity=event.quantity)
    return Taken(event.order_id, event.quantity), reserved


forgetful_order = copy_of(shop.order_service, "order", without="confirm")


@forgetful_order.step
def confirm_anyway(event: SeatsReserved, order: Order) -> OrderConfirmed:
    """It does not look whether the order was cancelled meanwhile."""
    order.status = "confirmed"
    return OrderConfirmed(order_id=event.order_id)


page_that_counts_twice = Service("page", system="shop")


@page_that_counts_twice.projection
def count(event: OrderCancelled, counted: Count | None) -> Count:
    """An order that was cancelled may be cancelled once more, by the seats' refusal or at its deadline."""
    return Count(event.order_id, (counted.cancellations if counted else 0) + 1)


careless_payment = Service("payment", system="shop")


@careless_payment.step
async def charge(event: OrderPlaced, tx: AsyncConnection) -> SeatsReserved:
    """It writes over a connection of its own, so a charge stays when the rest is rolled back."""
    async with tx.engine.connect() as own:
        await own.execute(CHARGE, {"order_id": event.order_id})
    return SeatsReserved(order_id=event.order_id, seat_id=event.seat_id, quantity=event.quantity)


careless_payment.query("/charges", Charge)
careful_payment = Service("payment", system="shop")
CHARGE = text("insert into planted_charge (order_id) values (:order_id)")


@careful_payment.step
async def charge_carefully(event: OrderPlaced, tx: AsyncConnection) -> SeatsReserved:
    await tx.execute(CHARGE, {"order_id": event.order_id})
    return SeatsReserved(order_id=event.order_id, seat_id=event.seat_id, quantity=event.quantity)


careful_payment.query("/charges", Charge)


class TicketBought(Event, topic="tickets", key="ticket_id", version=2):
    """The second version; nobody said what a customer of the first one's is called."""

    ticket_id: Id
    customer: str


class Ticket(Base):
    __tablename__ = "planted_ticket"

    ticket_id: Mapped[int] = mapped_column(primary_key=True)
    customer: Mapped[str]


reader_without_upcaster = Service("tickets", system="shop")


@reader_without_upcaster.projection
def show(event: TicketBought) -> Ticket:
    return Ticket(event.ticket_id, event.customer)


def three_seats(scenario: Scenario) -> None:
    scenario.given(Seat(1, SEATS))


def orders_for_three_seats(scenario: Scenario) -> None:
    two = PlaceOrder(seat_id=1, quantity=2)
    scenario.perhaps(two, CancelOrder(order_id=1, reason="no"), two, CancelOrder(order_id=2, reason="no"))


def an_order_or_two(scenario: Scenario) -> None:
    scenario.when(PlaceOrder(seat_id=1, quantity=2)).perhaps(PlaceOrder(seat_id=1, quantity=1))


def some_orders(scenario: Scenario) -> None:
    three_seats(scenario)
    orders_for_three_seats(scenario)


def old_contract(scenario: Scenario) -> None:
    old: dict[str, Any] = {"ticket_id": 1}
    scenario.given(TicketBought(ticket_id=2, customer="Ada"), Written(TicketBought, old, version=1))


def seats_add_up(outcome: Outcome) -> None:
    (block,) = outcome.rows(Seat)
    sold = sum(row.quantity for row in outcome.rows(Order) if row.status == "confirmed")
    assert block.free == SEATS - sold, f"{block.free} of {SEATS} are free, {sold} are sold"


def never_oversold(outcome: Outcome) -> None:
    sold = sum(row.quantity for row in outcome.rows(Order) if row.status == "confirmed")
    assert sold <= SEATS, f"{sold} of {SEATS} seats are sold"


def cancelled_once(outcome: Outcome) -> None:
    for row in outcome.rows(Count):
        assert row.cancellations == 1, f"order {row.order_id} counts {row.cancellations} times"


def charged_once(outcome: Outcome) -> None:
    charged = [row.order_id for row in outcome.rows(Charge)]
    assert sorted(charged) == sorted(set(charged)), f"charged are the orders {charged}"
