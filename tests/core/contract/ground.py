"""A storage on which the executor keeps its contract, and what a test asks of it."""

from typing import Any, Protocol

from clinic_lib.service import Service
from clinic_lib.storage import Storage
from tests.core.shop import OrderCancelled, OrderPlaced, Seat
from tests.core.worker import Worker

__all__ = ["Ground", "cancellation", "free", "letters", "order", "published", "saga_states"]


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
