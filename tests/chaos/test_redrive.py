"""A process may die while dead letters are handled again."""

import asyncio
from contextlib import suppress

import httpx2
import pytest

from clinic_lib.testing.chaos import Chaos
from clinic_lib.testing.faults import Crash
from clinic_lib.testing.system import RunningSystem
from tests.chaos.reservation import INVARIANTS, Load, make_blocks, order_seats, orders_are

pytestmark = pytest.mark.timeout(200)

POISON = "alter table seat add constraint poisoned check (seat_id <> 1) not valid"
CURE = "alter table seat drop constraint poisoned"


async def test_a_death_during_a_redrive_handles_no_letter_twice(chaos: Chaos) -> None:
    async with chaos.up("reservation", replicas={"seat": 2}) as system:
        blocks = await make_blocks(system, 3)
        await _execute(system, POISON)
        ids = await order_seats(system, Load(orders=60, seconds=2), blocks)
        await system.settled(letters=("OrderPlaced", "OrderCancelled"))
        assert await system.rows("seat", "select count(*) > 5 from clinic_lib.dead_letter") == [(True,)]
        await _execute(system, CURE)

        redriving = asyncio.create_task(_redrive_again_and_again(system))
        await system.happen(Crash(target="seat-1", point="redrive"))
        redriving.cancel()
        redriven = await system.admin("seat").post("/admin/dead-letters/redrive")

        assert redriven.json()["remaining"] == 0
        await system.settled()
        assert system.history.crashes["redrive"] == 1
        await system.check(*INVARIANTS, orders_are(ids))


async def _redrive_again_and_again(system: RunningSystem) -> None:
    while True:
        with suppress(httpx2.TransportError):
            await system.admin("seat").post("/admin/dead-letters/redrive")
        await asyncio.sleep(0.05)


async def _execute(system: RunningSystem, statement: str) -> None:
    async with system.ground.connect("seat") as connection:
        await connection.execute(statement)
