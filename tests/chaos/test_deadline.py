"""Orders end at their deadline when nobody answers, and what is answered later is compensated."""

import asyncio

import pytest

from clinic_lib.testing.chaos import Chaos
from clinic_lib.testing.faults import Crash
from clinic_lib.testing.invariants import first_occurrences
from clinic_lib.testing.system import RunningSystem
from tests.chaos.reservation import INVARIANTS, Load, make_blocks, order_seats, orders_are

pytestmark = pytest.mark.timeout(200)

DEADLINE_S = 4
SEATS = ("seat-1", "seat-2")
OPEN = """select count(*) from "order" where status = 'placed'"""


async def test_orders_are_cancelled_at_their_deadline_and_late_reservations_compensated(chaos: Chaos) -> None:
    env = {"SAGA_DEADLINE_SECONDS": str(DEADLINE_S)}
    async with chaos.up("reservation", replicas={"order": 2, "seat": 2}, env=env) as system:
        blocks = await make_blocks(system, 10)
        await asyncio.gather(*(system.target(name).kill() for name in SEATS))

        ids, _ = await asyncio.gather(
            order_seats(system, Load(orders=200, seconds=10), blocks),
            system.happen(Crash(target="order-1", point="deadline")),
        )
        async with asyncio.timeout(DEADLINE_S + 10):
            while await system.rows("order", OPEN) != [(0,)]:
                await asyncio.sleep(0.1)
        system.history.note("all orders are cancelled, seat is still down")
        await asyncio.gather(*(system.target(name).start() for name in SEATS))

        await system.settled()
        assert system.history.crashes["deadline"] == 1
        await system.check(*INVARIANTS, orders_are(ids), late_reservations_were_compensated)


async def late_reservations_were_compensated(system: RunningSystem) -> None:
    log = first_occurrences(await system.log()).values()
    reserved = sorted(each.key or "" for each in log if each.type == "SeatsReserved")
    released = sorted(each.key or "" for each in log if each.type == "SeatsReleased")
    assert len(reserved) > 50
    assert released == reserved
    assert await system.rows("seat", "select count(*) from seat where free < seats") == [(0,)]
