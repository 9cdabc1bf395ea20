"""A service's database is set back while orders flow: at rest seats, orders and my page agree again."""

from copy import copy
from dataclasses import dataclass, replace
from typing import Any

from hypothesis import strategies as st
from hypothesis.stateful import initialize, precondition, rule

from clinic_lib.messages import Event
from services.reservation.contracts import (
    OrderCancelled,
    OrderConfirmed,
    OrderPlaced,
    SeatsRefused,
    SeatsReserved,
    reservation,
)
from services.reservation.order import domain as order
from tests.services.choreography import interleave
from tests.services.test_reservation_races import BLOCK, SEATS, Reservation


@dataclass
class Backup:
    """A service's database at one time: its rows, its barrier, how far it had read, what it had not sent."""

    rows: dict[str, Any]
    positions: dict[str, int]
    outbox: list[Event]


class RestoredReservation(Reservation):
    """As the reservation, and each service may be set back to its last backup; ids are never handed out again."""

    def __init__(self) -> None:
        super().__init__()
        self.backups: dict[str, Backup] = {}
        self.peers["order"].handlers = {
            SeatsReserved: self.hear_of_reserved_seats,
            SeatsRefused: self.hear_of_refused_seats,
            OrderCancelled: lambda event: order.recall(event, self.orders.get(event.order_id)),
            reservation.deadline_reached: lambda event: order.expire(event, self.orders.get(event.order_id)),
        }

    def hear_of_reserved_seats(self, event: SeatsReserved) -> OrderConfirmed | OrderCancelled | None:
        row = self.orders.get(event.order_id)
        return order.confirm(event, row) or order.disown(event, row)

    def hear_of_refused_seats(self, event: SeatsRefused) -> OrderCancelled | None:
        """The compensation runs only where `place` ran, and once."""
        row = self.orders.get(event.order_id)
        if row is None:
            return order.disown(event, row)
        done = self.open.pop(event.order_id, None)
        return order.cancel_refused(event, done, row) if done else None

    # what belongs to each service's database

    def tables(self, name: str) -> dict[str, Any]:
        names = {"order": ["orders", "open"], "seat": ["block", "reserved", "closed"], "my_page": ["pages"]}
        return {each: getattr(self, each) for each in names[name]}

    @initialize()
    def create_seats(self) -> None:
        super().create_seats()
        self.open: dict[int, OrderPlaced] = {}

    @rule(quantity=st.integers(1, SEATS))
    def place(self, quantity: int) -> None:
        known = set(self.orders)
        super().place(quantity, BLOCK)
        self.open |= {number: self.placed[number] for number in self.orders.keys() - known}

    @rule(name=st.sampled_from(["order", "seat", "my_page"]))
    def back_up(self, name: str) -> None:
        peer = self.peers[name]
        tables = {each: copied(content) for each, content in self.tables(name).items()}
        self.backups[name] = Backup(tables, dict(peer.positions), list(peer.outbox))

    @precondition(lambda self: self.backups)
    @rule(number=st.integers(0, 5))
    def restore(self, number: int) -> None:
        """What the backup had not sent and was sent since is sent again with its id, so it is dropped."""
        names = list(self.backups)
        name = names[number % len(names)]
        backup, peer = self.backups[name], self.peers[name]
        for each, content in backup.rows.items():
            setattr(self, each, copied(content))
        peer.positions.clear()
        peer.positions.update(backup.positions)
        sent = {id(event) for log in self.logs.values() for event in log}
        peer.outbox = [event for event in backup.outbox if id(event) not in sent]

    def check(self) -> None:
        assert {row.status for row in self.orders.values()} <= {"confirmed", "cancelled"}
        sold = sum(row.quantity for row in self.orders.values() if row.status == "confirmed")
        assert self.block.free == SEATS - sold
        for number, row in self.orders.items():
            page = self.pages[number]
            assert (page.status, page.reason) == (row.status, row.reason)
            assert page.steps[-1]["status"] == page.status
        gone = self.pages.keys() - self.orders.keys()
        assert {self.pages[number].status for number in gone} <= {"cancelled"}


def copied(content: Any) -> Any:
    """A copy of a table that later changes of its rows leave alone."""
    if isinstance(content, dict):
        return {number: copied(row) for number, row in content.items()}
    return copy(content) if isinstance(content, set | Event) else replace(content)


def test_at_rest_all_agree_whatever_service_was_set_back_and_when() -> None:
    interleave(RestoredReservation, examples=250, steps=30)


def test_a_cancellation_that_a_restore_took_away_is_said_again() -> None:
    """The restored order is confirmed once more before it reads its own cancellation."""
    machine = RestoredReservation()
    machine.create_seats()
    machine.place(3)
    machine.back_up("order")
    machine.settle()
    machine.cancel(0)
    machine.settle()

    machine.restore(0)
    machine.settle()

    machine.check()
    assert [row.status for row in machine.orders.values()] == ["cancelled"]
    assert [step["status"] for step in machine.pages[1].steps] == [
        *("placed", "confirmed", "cancelled"),
        *("confirmed", "cancelled"),
    ]
