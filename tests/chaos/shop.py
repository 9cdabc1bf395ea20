"""The small system of tests/core as processes, for the tests of the plugin itself."""

import asyncio

from clinic_lib.local.project import ServiceDeclaration, System
from clinic_lib.testing.system import RunningSystem

__all__ = ["SHOP", "place_orders", "stock"]

SHOP = System(
    services=(
        ServiceDeclaration(name="order", app="tests.core.shop:serve_order", port=8091),
        ServiceDeclaration(name="seat", app="tests.core.shop:serve_seat", port=8092),
        ServiceDeclaration(name="page", app="tests.core.shop:serve_page", port=8093),
    ),
)


async def stock(system: RunningSystem, blocks: int, free: int) -> None:
    """Seat blocks with so many free seats each."""
    async with system.ground.connect("seat") as connection:
        await connection.execute(f"insert into seat select n, {free} from generate_series(1, {blocks}) n")


async def place_orders(system: RunningSystem, orders: int, blocks: int, *, seconds: float) -> list[int]:
    """Places orders evenly over `seconds`; returns their ids."""

    async def place(number: int) -> int:
        await asyncio.sleep(seconds * number / orders)
        answer = await system.post("order", "/orders", {"seat_id": number % blocks + 1, "quantity": 2})
        assert answer.status_code == 201, answer.text
        return int(answer.json()["id"])

    return await asyncio.gather(*map(place, range(orders)))
