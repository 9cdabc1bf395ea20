"""Processes that stand still for half a minute hold nobody up, and do nothing twice when they go on."""

from dataclasses import dataclass
from itertools import pairwise

import psutil
import pytest

from clinic_lib.testing.chaos import Chaos
from clinic_lib.testing.faults import Pause
from clinic_lib.testing.ground import Ground
from clinic_lib.testing.invariants import first_occurrences
from clinic_lib.testing.plan import FaultPlan
from clinic_lib.testing.system import RunningSystem
from tests.chaos.reservation import INVARIANTS, Load, make_blocks, order_seats, orders_are

pytestmark = pytest.mark.timeout(300)

PAUSE_S = 30.0

SERVICE_STANDS_STILL_AT_MOST_S = 13.0
"""PostgreSQL takes the locks of a process that pauses after ten seconds."""

ORDER_TAKES_AT_MOST_S = 23.0
"""As long until the group has given its partitions to the other process, and then the locks."""

OPEN_TRANSACTIONS = """
select count(*) from pg_stat_activity
where client_port = any($1) and state in ('idle in transaction', 'active') and xact_start is not null
"""


@dataclass(frozen=True, kw_only=True)
class PauseInTransaction(Pause):
    """A pause that begins while PostgreSQL waits for the process: it holds locks."""

    words = "pause {target} within a transaction, for {seconds} s"

    async def happen(self, ground: Ground) -> None:
        target = ground.targets[self.target]
        async with ground.connect(self.target.partition("-")[0]) as connection:
            for tries in range(1, 2001):
                target.pause()
                ports = [each.laddr.port for each in psutil.Process(target.child.pid).net_connections("tcp")]
                if await connection.fetchval(OPEN_TRANSACTIONS, ports):
                    ground.history.note(f"{self.target} was caught in a transaction after {tries} tries")
                    break
                target.resume()
        await super().happen(ground)


async def test_a_process_that_pauses_holds_nobody_up_and_does_nothing_twice(chaos: Chaos) -> None:
    load = Load(orders=1000, seconds=PAUSE_S + 7)
    async with chaos.up("reservation", replicas={"order": 2, "seat": 2}) as system:
        blocks = await make_blocks(system, 10)
        plan = FaultPlan.of(
            PauseInTransaction(at=2.0, target="seat-1", seconds=PAUSE_S),
            Pause(at=2.0 + chaos.seed % 10 / 10, target="order-1", seconds=PAUSE_S),
        )

        ids = await system.under(plan, order_seats(system, load, blocks))

        await system.settled()
        await system.check(*INVARIANTS, orders_are(ids), nobody_was_held_up)


async def nobody_was_held_up(system: RunningSystem) -> None:
    """By the times at which the log took the records."""
    log = first_occurrences(await system.log()).values()
    answers = sorted(each.raw.timestamp for each in log if each.type in ("SeatsReserved", "SeatsRefused"))
    placed = {each.key: each.raw.timestamp for each in log if each.type == "OrderPlaced"}
    ended = {
        each.key: each.raw.timestamp for each in log if each.type in ("OrderConfirmed", "OrderCancelled")
    }
    gap = max(later - earlier for earlier, later in pairwise(answers)) / 1000
    longest = max(ended[key] - placed[key] for key in placed) / 1000
    system.history.note(f"longest gap between two answers of seat: {gap} s; longest order: {longest} s")
    assert gap < SERVICE_STANDS_STILL_AT_MOST_S
    assert longest < ORDER_TAKES_AT_MOST_S
