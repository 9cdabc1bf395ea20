"""A process may die at any point that has a name."""

import pytest

from clinic_lib.testing.chaos import Chaos
from clinic_lib.testing.faults import Crash
from clinic_lib.testing.plan import FaultPlan
from tests.chaos.reservation import INVARIANTS, Load, make_blocks, order_seats, orders_are

pytestmark = pytest.mark.timeout(200)


async def test_a_death_at_each_crash_point_costs_nothing(chaos: Chaos) -> None:
    plan = FaultPlan.of(
        Crash(at=1.0, target="order-1", point="before-commit"),
        Crash(at=1.0, target="seat-1", point="after-commit", seconds=8.0),
        Crash(at=1.0, target="seat-2", point="sweeper"),  # it finds what seat-1 left behind
        Crash(at=1.0, target="my_page-1", point="before-offset-commit"),
        Crash(at=8.0, target="order-2", point="after-publish"),
        Crash(at=8.0, target="seat-2", point="compensation"),
    )
    async with chaos.up("reservation", replicas={"order": 2, "seat": 2}) as system:
        blocks = await make_blocks(system, 10)
        ids = await system.under(plan, order_seats(system, Load(orders=600, seconds=25), blocks))

        await system.settled()
        assert system.history.crashes.keys() == {fault.point for fault in plan if isinstance(fault, Crash)}
        await system.check(*INVARIANTS, orders_are(ids))
