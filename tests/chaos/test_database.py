"""Trouble in the database costs no message and makes no dead letter."""

import pytest

from clinic_lib.testing.chaos import Chaos
from clinic_lib.testing.database_faults import Cut, Deadlock, Lock
from clinic_lib.testing.plan import FaultPlan
from tests.chaos.reservation import INVARIANTS, Load, make_blocks, order_seats, orders_are

pytestmark = pytest.mark.timeout(200)


async def test_cut_connections_a_deadlock_and_a_locked_outbox_cost_no_message(chaos: Chaos) -> None:
    cuts = [
        Cut(at=1.0 + n / 4 + chaos.seed % 10 / 40, service=service)
        for n, service in enumerate(["order", "seat", "my_page"] * 4)
    ]
    plan = FaultPlan.of(
        *cuts,
        Deadlock(at=5.0, service="seat"),
        Deadlock(at=5.0, service="order"),
        Lock(at=9.0, service="seat", table="clinic_lib.outbox", seconds=5.0),
        Lock(at=9.0, service="order", table="clinic_lib.outbox", seconds=5.0),
    )
    async with chaos.up("reservation", replicas={"seat": 2}) as system:
        blocks = await make_blocks(system, 10)
        ids = await system.under(plan, order_seats(system, Load(orders=600, seconds=15), blocks))

        await system.settled()
        assert system.history.deadlocks == 2
        await system.check(*INVARIANTS, orders_are(ids))
