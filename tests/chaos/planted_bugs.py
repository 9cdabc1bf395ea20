"""A test that has to fail; `test_plugin.py` runs it and reads what it prints."""

from clinic_lib.local.project import ServiceDeclaration, System
from clinic_lib.testing.chaos import Chaos
from clinic_lib.testing.faults import Crash
from clinic_lib.testing.plan import FaultPlan
from clinic_lib.testing.system import RunningSystem
from tests.chaos.shop import place_orders, stock

FAULTY = System(
    services=(
        ServiceDeclaration(name="order", app="tests.chaos.faulty:serve_order", port=8091),
        ServiceDeclaration(name="seat", app="tests.chaos.faulty:serve_seat", port=8092),
    ),
)


async def no_seat_is_taken_for_nothing(system: RunningSystem) -> None:
    ((sold,),) = await system.rows(
        "order", """select sum(quantity)::int from "order" where status = 'confirmed'"""
    )
    ((free,),) = await system.rows("seat", "select sum(free)::int from seat")
    assert 3 * 15 - free == sold


async def every_order_ended(system: RunningSystem) -> None:
    ((placed,),) = await system.rows("order", """select count(*) from "order" where status = 'placed'""")
    assert placed == 0


async def test_seats_add_up(chaos: Chaos) -> None:
    async with chaos.up(FAULTY, env={"SHOP_RUN": "faulty"}) as system:
        await stock(system, 3, 15)

        plan = FaultPlan.of(Crash(at=0.0, target="seat-1", point="before-commit"))
        await system.under(plan, place_orders(system, 30, 3, seconds=0.5))

        await system.settled()
        await system.check(no_seat_is_taken_for_nothing, every_order_ended)
