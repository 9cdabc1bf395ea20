"""The shop with two planted bugs: seats are taken outside the transaction, and refusals are ignored."""

import os

import asyncpg
from sqlalchemy.ext.asyncio import AsyncConnection

from clinic_lib.service import Service
from tests.core import shop
from tests.core.shop import OrderPlaced, SeatsRefused, SeatsReserved

seat_service = Service(f"faulty_seat_{shop.RUN}", system="shop")
order_service = Service(f"faulty_order_{shop.RUN}", system="shop")

TAKE = "update seat set free = free - $2 where seat_id = $1 and free >= $2 returning free"


@seat_service.step
async def reserve(event: OrderPlaced, tx: AsyncConnection) -> SeatsReserved | SeatsRefused:
    connection = await asyncpg.connect(os.environ["DATABASE_URL"], user=os.environ["DATABASE_USER"])
    taken = await connection.fetch(TAKE, event.seat_id, event.quantity)
    await connection.close()
    if not taken:
        return SeatsRefused(order_id=event.order_id, reason="not enough seats")
    return SeatsReserved(order_id=event.order_id, seat_id=event.seat_id, quantity=event.quantity)


seat_service.query("/seats", shop.Seat)

order_service.command("POST", "/orders")(shop.place)
order_service.step(shop.confirm)
order_service.query("/orders", shop.Order)


def __getattr__(name: str) -> object:
    """Only the process that serves an app makes it."""
    services = {"serve_order": order_service, "serve_seat": seat_service}
    if name in services:
        return services[name].asgi()
    raise AttributeError(name)
