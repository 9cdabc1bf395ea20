"""Processes and servers that die under load cost no order, no seat and no event."""

import pytest

from clinic_lib.testing.chaos import Chaos
from tests.chaos.reservation import INVARIANTS, Load, make_blocks, order_seats, orders_are

pytestmark = pytest.mark.timeout(400)

REPLICAS = {"order": 2, "seat": 2}


async def test_2000_orders_end_whatever_dies_meanwhile(chaos: Chaos) -> None:
    load = Load(orders=2000, clients=50, seconds=chaos.seconds(45), with_faults=True)
    async with chaos.up("reservation", replicas=REPLICAS) as system:
        blocks = await make_blocks(system, 100)
        plan = system.plan(
            seconds=load.seconds * 0.9, kills=12, crashes=5, kafka=1, postgresql=1, cuts=1, repeats=1
        )

        ids = await system.under(plan, order_seats(system, load, blocks))

        await system.settled()
        assert len(ids) == load.orders
        assert system.history.deaths >= 20
        await system.check(*INVARIANTS, orders_are(ids))
