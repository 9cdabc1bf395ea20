"""A process may die at any point that has a name."""

from dataclasses import replace

import pytest

from clinic_lib.testing.chaos import Chaos
from clinic_lib.testing.faults import Crash
from clinic_lib.testing.plan import FaultPlan
from tests.chaos.reservation import INVARIANTS, Load, make_blocks, order_seats, orders_are

pytestmark = pytest.mark.timeout(400)

DEATHS = (
    Crash(at=1.0, target="order-1", point="before-commit"),
    Crash(at=1.0, target="seat-1", point="after-commit", seconds=8.0),
    Crash(at=1.0, target="seat-2", point="sweeper"),  # it finds what seat-1 left behind
    Crash(at=1.0, target="my_page-1", point="before-offset-commit"),
    Crash(at=8.0, target="order-2", point="after-publish"),
    Crash(at=8.0, target="seat-2", point="compensation"),
)
TRIES = 5
"""A group whose leader dies while it divides the partitions waits ten seconds, and on a slow machine a process starts
for as long: then a point may be missed. What is left is tried at once, under a longer load.
"""


async def test_a_death_at_each_crash_point_costs_nothing(chaos: Chaos) -> None:
    async with chaos.up("reservation", replicas={"order": 2, "seat": 2}) as system:
        ids, met = [], system.history.crashes

        deaths: tuple[Crash, ...] = DEATHS
        seconds = 18
        for _ in range(TRIES):
            if left := [each for each in deaths if each.point not in met]:
                load = Load(orders=500, seconds=seconds, with_faults=True)
                blocks = await make_blocks(system, 10)  # only seats that were reserved are given back
                ids += await system.under(FaultPlan.of(*left), order_seats(system, load, blocks))
            deaths, seconds = tuple(replace(each, at=1.0) for each in left), 30

        await system.settled()
        assert met.keys() == {each.point for each in DEATHS}
        await system.check(*INVARIANTS, orders_are(ids))
