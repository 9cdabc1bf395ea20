"""The invariants that the library offers see what was broken on purpose."""

import pytest

from clinic_lib.testing.chaos import Chaos
from clinic_lib.testing.errors import InvariantError, NotSettledError
from clinic_lib.testing.invariants import every_saga_ended, in_order, nothing_lost, nothing_twice
from clinic_lib.testing.log_faults import Repeat
from clinic_lib.testing.system import RunningSystem
from tests.chaos.shop import SHOP, place_orders, stock

pytestmark = pytest.mark.timeout(200)

NEVER_SENT = """
with stored as (
    insert into clinic_lib.outbox (message_id, topic, aggregatetype, aggregateid, type, payload)
    select gen_random_uuid(), topic, 'order', '1', 'OrderConfirmed', '{}' from chaos.published limit 1
)
select 1
"""
NOT_ENDED = """
insert into clinic_lib.saga (saga, key, subject, state, started_at, message_id, correlation_id, started_version, stuck)
values ('shop', 'order_id:1', '1', 'running', now(), gen_random_uuid(), gen_random_uuid(), 1, '{}')
"""


async def execute(system: RunningSystem, service: str, *statements: str) -> None:
    async with system.ground.connect(service) as connection, connection.transaction():
        for statement in statements:
            await connection.execute(statement)


async def test_what_is_broken_on_purpose_is_found_and_told(chaos: Chaos) -> None:
    async with chaos.up(SHOP, env={"SHOP_RUN": "broken"}) as system:
        await stock(system, 5, 100)
        await place_orders(system, 10, 5, seconds=0)
        await system.settled()
        await system.check(nothing_lost, nothing_twice, in_order, every_saga_ended)
        reserved = next(each for each in await system.log() if each.type == "SeatsReserved")
        assert reserved.source.startswith("shop_seat")
        assert (str(reserved.data["order_id"]), reserved.data["quantity"]) == (reserved.key, 2)

        await execute(system, "order", NOT_ENDED)
        with pytest.raises(
            InvariantError, match="sagas of order have not ended:\n  shop order_id:1 is running"
        ):
            await system.check(every_saga_ended)

        await execute(system, "seat", "delete from clinic_lib.inbox")
        await system.happen(Repeat(records=1000))
        await system.settled()
        with pytest.raises(InvariantError, match="seat has handled more than once:\n  OrderPlaced"):
            await system.check(nothing_twice)

        await execute(system, "order", "update chaos.published set id = -id")
        with pytest.raises(InvariantError, match="events of order stand in another order"):
            await system.check(in_order)

        await execute(system, "page", "delete from clinic_lib.inbox")
        with pytest.raises(InvariantError, match=r"page has not handled:\n  Order(.*\n){5}  and 25 more"):
            await system.check(nothing_lost)

        await execute(system, "order", NEVER_SENT, "delete from clinic_lib.outbox")
        with pytest.raises(
            InvariantError, match="order committed events that are not in the log:\n  OrderConfirmed"
        ):
            await system.check(nothing_lost)
        with pytest.raises(ExceptionGroup, match="invariants do not hold"):
            await system.check(nothing_lost, nothing_twice)
        assert [each.partition(":")[0] for each in system.broken][-2:] == ["nothing_lost", "nothing_twice"]


async def test_a_system_that_does_not_come_to_rest_says_what_is_open(chaos: Chaos) -> None:
    async with chaos.up(SHOP, env={"SHOP_RUN": "restless"}) as system:
        await stock(system, 1, 100)
        async with system.ground.connect("page") as connection, connection.transaction():
            await connection.execute("lock table my_page in access exclusive mode")
            await place_orders(system, 3, 1, seconds=0)
            with pytest.raises(
                NotSettledError, match=r"within 3.0 s:\n  page is \d+ records behind: {'shop-rest"
            ):
                await system.settled(within_s=3.0)
        await system.settled()

        await execute(
            system, "page", "alter table my_page add constraint poison check (status <> 'placed') not valid"
        )
        await place_orders(system, 1, 1, seconds=0)
        with pytest.raises(NotSettledError, match="page has 2 dead letters: failed OrderPlaced order_id:4"):
            await system.settled()
        await system.settled(letters=("OrderPlaced", "OrderConfirmed"))

        await system.target("seat-1").kill()
        with pytest.raises(NotSettledError, match="seat-1 is dead signal SIGKILL:"):
            await system.settled()

        await system.target("kafka").kill()
        await system.happen(Repeat(records=1))
        assert "publish 1 records again after 0.0 s: ended by Kafka" in system.history.lines[-1]
