"""All that can happen at once, for as long as one likes: runs with --chaos-seconds alone."""

import asyncio

import pytest

from clinic_lib.testing.chaos import Chaos
from clinic_lib.testing.faults import Restart
from clinic_lib.testing.plan import FaultPlan
from tests.chaos.reservation import INVARIANTS, Load, make_blocks, order_seats, orders_are

ORDERS_A_SECOND = 30
A_MINUTE = {
    "kills": 10,
    "crashes": 4,
    "pauses": 3,
    "kafka": 1,
    "postgresql": 1,
    "cuts": 4,
    "locks": 2,
    "deadlocks": 2,
    "repeats": 4,
}


pytestmark = pytest.mark.timeout(0)


def how_long(chaos: Chaos) -> float:
    if not (seconds := chaos.seconds(0)):
        pytest.skip("takes as long as --chaos-seconds says")
    return seconds


async def test_orders_end_whatever_happens_at_once(chaos: Chaos) -> None:
    seconds = how_long(chaos)
    load = Load(
        orders=int(ORDERS_A_SECOND * seconds),
        clients=30,
        seconds=seconds,
        with_faults=True,
        entry="reservation_gateway",
    )
    counts = {kind: max(1, round(each * seconds / 60)) for kind, each in A_MINUTE.items()}
    replicas = {"order": 2, "seat": 2, "my_page": 2}
    async with chaos.up("reservation", replicas=replicas, env={"SAGA_DEADLINE_SECONDS": "10"}) as system:
        blocks = await make_blocks(system, load.orders // 20)

        ids = await system.under(
            system.plan(seconds=seconds * 0.9, **counts), order_seats(system, load, blocks)
        )

        await system.settled(within_s=180)
        await system.check(*INVARIANTS, orders_are(ids))


@pytest.mark.parametrize("server", ["kafka", "postgresql"])
async def test_a_server_may_be_away_for_long(chaos: Chaos, server: str) -> None:
    seconds = how_long(chaos)
    plan = FaultPlan.of(Restart(at=3.0, server=server, seconds=seconds))
    async with chaos.up("reservation", replicas={"order": 2, "seat": 2}) as system:
        blocks = await make_blocks(system, 10)

        before, during = await asyncio.gather(
            order_seats(system, Load(orders=200, seconds=5), blocks),
            system.under(plan, order_seats(system, Load(orders=200, seconds=seconds), blocks)),
        )

        await system.settled(within_s=60)
        await system.check(*INVARIANTS, orders_are(before + during))
