"""Records that come again, late and out of order, change nothing."""

import pytest

from clinic_lib.testing.chaos import Chaos
from clinic_lib.testing.log_faults import Repeat
from clinic_lib.testing.plan import FaultPlan
from tests.chaos.reservation import INVARIANTS, Load, make_blocks, order_seats, orders_are

pytestmark = pytest.mark.timeout(200)


async def test_records_that_come_again_change_nothing(chaos: Chaos) -> None:
    plan = FaultPlan.of(
        *(Repeat(at=1.0 + n, records=100, seconds=chaos.seed % 3 + n % 4) for n in range(8)),
        Repeat(at=12.0, records=10_000),
    )
    async with chaos.up("reservation", replicas={"order": 2, "seat": 2}) as system:
        blocks = await make_blocks(system, 10)
        ids = await system.under(plan, order_seats(system, Load(orders=500, seconds=9), blocks))

        await system.settled()
        assert system.history.published_again > 2000
        await system.check(*INVARIANTS, orders_are(ids))
