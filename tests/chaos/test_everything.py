"""All that can happen at once, for as long as one likes: runs with --chaos-seconds alone."""

import pytest

from clinic_lib.testing.chaos import Chaos
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


@pytest.mark.timeout(0)
async def test_orders_end_whatever_happens_at_once(chaos: Chaos) -> None:
    seconds = chaos.seconds(0)
    if not seconds:
        pytest.skip("takes as long as --chaos-seconds says")
    load = Load(orders=int(ORDERS_A_SECOND * seconds), clients=30, seconds=seconds, with_faults=True)
    counts = {kind: max(1, round(each * seconds / 60)) for kind, each in A_MINUTE.items()}
    async with chaos.up("reservation", replicas={"order": 2, "seat": 2, "my_page": 2}) as system:
        blocks = await make_blocks(system, load.orders // 20)

        ids = await system.under(
            system.plan(seconds=seconds * 0.9, **counts), order_seats(system, load, blocks)
        )

        await system.settled(within_s=180)
        await system.check(*INVARIANTS, orders_are(ids))
