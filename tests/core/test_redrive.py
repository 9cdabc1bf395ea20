"""A message that failed parks its key until it is handled, by itself or when somebody says so, in order."""

import asyncio
from collections.abc import Iterator
from uuid import UUID

import pytest
from aiokafka import ConsumerRecord
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from clinic_lib import letter_queue
from clinic_lib.errors import TransientError
from clinic_lib.messages import new_message_id
from clinic_lib.redrive import Outcome
from clinic_lib.service import Service
from clinic_lib.storage import Database
from tests.core import shop
from tests.core.shop import MyPage, OrderCancelled, OrderConfirmed, OrderPlaced, PlaceOrder, SeatsReserved
from tests.core.worker import Log, Worker, letters, notices, published, rows, value

KEY = "order_id:1"

mender_service = Service(f"shop_mender_{shop.RUN}", system="shop")
broken: set[str] = set()
"""What the functions below stumble over: the fix is to empty it."""


@mender_service.step
def begin(event: OrderPlaced, page: MyPage | None) -> tuple[MyPage, SeatsReserved]:
    if event.note in broken:
        raise RuntimeError(f"stumbled over {event.note}")
    reserved = SeatsReserved(order_id=event.order_id, seat_id=event.seat_id, quantity=event.quantity)
    return MyPage(event.order_id, "placed", ["placed"]), reserved


@mender_service.step
def note_down(event: SeatsReserved, page: MyPage) -> None:
    if "weather" in broken:
        raise TransientError("it rains")
    if f"reserved {event.quantity}" in broken:
        raise RuntimeError("stumbled")
    page.steps = [*page.steps, f"reserved {event.quantity}"]


@mender_service.step
async def confirm(event: OrderConfirmed, page: MyPage, tx: AsyncConnection) -> None:
    await tx.execute(text("set local lock_timeout = '10ms'"))
    await tx.execute(text("select 1 from seat where seat_id = 9 for update"))
    page.steps = [*page.steps, "confirmed"]


@mender_service.compensation(begin)
def give_back(event: OrderCancelled, done: SeatsReserved, page: MyPage) -> None:
    if "give_back" in broken:
        raise RuntimeError("can't give it back")
    page.steps = [*page.steps, f"gave {done.quantity} back"]


@pytest.fixture
def worker(database: Database) -> Worker:
    return Worker(mender_service, database)


@pytest.fixture(autouse=True)
def _mended() -> Iterator[None]:
    yield
    broken.clear()


def order(number: int = 1, note: str = "") -> OrderPlaced:
    return OrderPlaced(order_id=number, seat_id=number, quantity=1, note=note)


def reserved(quantity: int, number: int = 1) -> SeatsReserved:
    return SeatsReserved(order_id=number, seat_id=1, quantity=quantity)


async def steps(database: Database, number: int = 1) -> object:
    found = await rows(database, "select steps::text from my_page where order_id = $1", number)
    return found[0][0] if found else None


async def retry_now(worker: Worker, key: str = KEY) -> None:
    """As the loop does once the pause is over."""
    async with worker.executor.database.session() as session:
        await session.execute("update clinic_lib.dead_letter set retry_at = now() where state = 'retrying'")
    assert key in await letter_queue.claim_retries(worker.executor.database)
    await worker.redriver.redrive_key(key)


async def test_after_a_fix_a_key_s_messages_are_handled_in_order(worker: Worker, database: Database) -> None:
    broken.add("poison")
    log = Log()
    await worker.poll(log.append(order(note="poison")), log.append(reserved(2)))
    await worker.poll(log.append(reserved(3)))
    assert [state for state, _, _ in await letters(database)] == ["failed", "waiting", "waiting"]
    broken.clear()

    outcome = await worker.redriver.redrive_key(KEY)

    assert outcome == Outcome(handled=3, remaining=0, error=None)
    assert await steps(database) == '["placed", "reserved 2", "reserved 3"]'
    assert await letters(database) == []
    await worker.poll(log.append(reserved(4)))
    assert await steps(database) == '["placed", "reserved 2", "reserved 3", "reserved 4"]'


async def test_1000_others_flow_while_one_key_is_parked(worker: Worker, database: Database) -> None:
    broken.add("poison")
    log = Log()
    await worker.poll(log.append(order(note="poison")))

    for start in (2, 502):
        await worker.poll(log.append(reserved(1)), *(log.append(order(n)) for n in range(start, start + 500)))

    assert await value(database, "select count(*) from my_page") == 1000
    assert [state for state, _, _ in await letters(database)] == ["failed", "waiting", "waiting"]


async def test_a_redrive_that_fails_again_changes_nothing_but_the_letter(
    worker: Worker, database: Database
) -> None:
    broken.add("poison")
    log = Log()
    await worker.poll(log.append(order(note="poison")), log.append(reserved(2)))

    outcome = await worker.redriver.redrive_key(KEY)

    assert outcome == Outcome(handled=0, remaining=2, error="RuntimeError: stumbled over poison")
    states = "select state, attempts from clinic_lib.dead_letter order by id"
    assert await rows(database, states) == [("failed", 2), ("waiting", 0)]
    assert await published(database) == []


async def test_a_later_message_that_fails_stops_the_rest(worker: Worker, database: Database) -> None:
    broken.update({"poison", "reserved 2"})
    log = Log()
    await worker.poll(*(log.append(each) for each in (order(note="poison"), reserved(2), reserved(3))))
    broken.remove("poison")

    outcome = await worker.redriver.redrive_key(KEY)

    assert (outcome.handled, outcome.remaining) == (1, 2)
    assert [state for state, _, _ in await letters(database)] == ["failed", "waiting"]
    assert await steps(database) == '["placed"]'
    broken.clear()
    await worker.redriver.redrive_key(KEY)
    assert await steps(database) == '["placed", "reserved 2", "reserved 3"]'


async def test_a_key_with_many_letters_is_handled_whole(worker: Worker, database: Database) -> None:
    broken.add("poison")
    log = Log()
    await worker.poll(log.append(order(note="poison")))
    for _ in range(3):
        await worker.poll(*(log.append(reserved(1)) for _ in range(400)))
    broken.clear()

    outcome = await worker.redriver.redrive_key(KEY)

    assert outcome == Outcome(handled=1201)
    assert await value(database, "select jsonb_array_length(steps) from my_page") == 1201


async def test_two_processes_that_redrive_one_key_handle_it_once(
    worker: Worker, database: Database, other_database: Database
) -> None:
    broken.add("poison")
    log = Log()
    await worker.poll(log.append(order(note="poison")), *(log.append(reserved(n)) for n in range(1, 50)))
    broken.clear()
    other = Worker(mender_service, other_database)

    await asyncio.gather(*(each.redriver.redrive_key(KEY) for each in (worker, other) * 3))

    assert await letters(database) == []
    assert await value(database, "select jsonb_array_length(steps) from my_page") == 50


async def test_messages_that_come_during_a_redrive_keep_their_order(
    worker: Worker, database: Database, other_database: Database
) -> None:
    broken.add("poison")
    log, polls = Log(), Worker(mender_service, other_database)
    await worker.poll(log.append(order(note="poison")), *(log.append(reserved(n)) for n in range(1, 300)))
    broken.clear()

    async def go_on() -> None:
        for n in range(300, 340):
            await polls.poll(log.append(reserved(n)))

    await asyncio.gather(worker.redriver.redrive_key(KEY), go_on())
    await worker.redriver.redrive_key(KEY)

    expected = ["placed", *(f"reserved {n}" for n in range(1, 340))]
    assert await value(database, "select to_jsonb($1::text[]) = steps from my_page", expected)


async def test_what_the_database_refuses_in_a_redrive_spoils_one_message(
    worker: Worker, database: Database
) -> None:
    """A row with this key is there already: the insert of `begin` is refused."""
    broken.add("poison")
    log = Log()
    await worker.poll(*(log.append(order(n, "poison")) for n in (1, 2, 3)))
    async with database.session() as session:
        await session.execute("alter table my_page add constraint no_two check (order_id <> 2)")
    broken.clear()

    outcome = await worker.redriver.redrive_all()

    assert (outcome.handled, outcome.remaining) == (2, 1)
    assert [(state, key) for state, key, _ in await letters(database)] == [("failed", "order_id:2")]
    assert await value(database, "select count(*) from my_page") == 2


async def test_a_service_that_is_stuck_says_so_once_and_when_it_is_free(
    worker: Worker, database: Database
) -> None:
    broken.add("poison")
    log = Log()
    await worker.poll(log.append(order(note="poison")), log.append(reserved(2)))
    await worker.redriver.redrive_key(KEY)
    assert await notices(database) == [("OrderStepStuck", "1")]
    broken.clear()

    await worker.redriver.redrive_key(KEY)

    assert await notices(database) == [("OrderStepStuck", "1"), ("OrderStepFreed", "1")]
    said = "select convert_from(payload, 'UTF8')::jsonb -> 'data' from clinic_lib.outbox where type = 'OrderStepStuck'"
    assert '"error": "RuntimeError"' in await value(database, f"select ({said})::text")


async def test_trouble_that_passes_is_tried_again_until_it_has_passed(
    worker: Worker, database: Database
) -> None:
    log = Log()
    await worker.poll(log.append(order()), log.append(order(2)))
    broken.add("weather")

    await worker.poll(log.append(reserved(1)), log.append(reserved(2)), log.append(order(3)))

    assert await value(database, "select count(*) from my_page") == 3
    assert [state for state, _, _ in await letters(database)] == ["retrying", "waiting"]
    pause = (
        "select extract(epoch from retry_at - now())::float8 from clinic_lib.dead_letter where attempts > 0"
    )
    assert await value(database, pause) < 0.6
    for _ in range(7):
        await retry_now(worker)
    assert 15 < await value(database, pause) < 31
    assert await notices(database) == [("OrderStepStuck", "1")]
    broken.clear()
    await retry_now(worker)
    assert await steps(database) == '["placed", "reserved 1", "reserved 2"]'
    assert await notices(database) == [("OrderStepStuck", "1"), ("OrderStepFreed", "1")]


async def test_a_lock_that_is_not_free_holds_up_one_key(
    worker: Worker, database: Database, other_database: Database
) -> None:
    log = Log()
    async with database.session() as session:
        await session.execute("insert into seat values (9, 9)")
    await worker.poll(log.append(order()), log.append(order(2)))

    async with other_database.transaction() as transaction:
        await transaction.fetch("select 1 from seat where seat_id = 9 for update")
        await worker.poll(log.append(OrderConfirmed(order_id=1)), log.append(reserved(1, number=2)))
        assert [state for state, _, _ in await letters(database)] == ["retrying"]
        assert await steps(database, 2) == '["placed", "reserved 1"]'
    await retry_now(worker)

    assert await steps(database) == '["placed", "confirmed"]'
    assert await notices(database) == []


async def test_a_compensation_that_fails_is_tried_five_times_and_then_said(
    worker: Worker, database: Database
) -> None:
    log = Log()
    await worker.poll(log.append(order()))
    broken.add("give_back")

    await worker.poll(log.append(OrderCancelled(order_id=1, reason="late")))
    for _ in range(3):
        await retry_now(worker)
    assert [state for state, _, _ in await letters(database)] == ["retrying"]
    assert await notices(database) == []
    await retry_now(worker)

    assert [state for state, _, _ in await letters(database)] == ["failed"]
    assert await notices(database) == [("OrderStepStuck", "1")]
    broken.clear()
    await worker.redriver.redrive_key(KEY)
    assert await steps(database) == '["placed", "gave 1 back"]'
    assert await notices(database) == [("OrderStepStuck", "1"), ("OrderStepFreed", "1")]


async def test_what_waits_behind_a_discarded_letter_is_handled(worker: Worker, database: Database) -> None:
    log = Log()
    await worker.poll(log.append(order()))
    broken.add("reserved 2")
    await worker.poll(log.append(reserved(2)), log.append(reserved(3)))
    (first, _) = await letter_queue.of_key(database, KEY)

    outcome = await worker.redriver.discard(first)

    assert outcome == Outcome(handled=1)
    assert await steps(database) == '["placed", "reserved 3"]'
    assert await letters(database) == []
    assert await notices(database) == [("OrderStepStuck", "1"), ("OrderStepFreed", "1")]


async def test_what_waits_behind_one_that_left_is_handled_even_if_nobody_is_there_to_do_it(
    worker: Worker, database: Database
) -> None:
    """The process that discarded it dies before it handles the next one."""
    log = Log()
    await worker.poll(log.append(order()))
    broken.add("reserved 2")
    await worker.poll(log.append(reserved(2)), log.append(reserved(3)))
    (first, _) = await letter_queue.of_key(database, KEY)
    async with database.transaction() as transaction:
        await letter_queue.settle(transaction, [first.id], [KEY])

    (key,) = await letter_queue.claim_retries(database)
    await worker.redriver.redrive_key(key)

    assert await steps(database) == '["placed", "reserved 3"]'


async def test_a_type_that_nobody_handles_any_more_holds_up_nobody(
    worker: Worker, database: Database
) -> None:
    broken.add("poison")
    log = Log()
    await worker.poll(log.append(order(note="poison")), log.append(reserved(2)))
    shrunk = Service(mender_service.name, system="shop")
    shrunk.step(note_down)

    async with database.session() as session:
        await session.execute("insert into my_page values (1, 'placed', '[]')")
    outcome = await Worker(shrunk, database).redriver.redrive_key(KEY)

    assert outcome == Outcome(handled=2)
    assert await steps(database) == '["reserved 2"]'


async def test_a_malformed_record_is_handled_once_it_can_be_read(worker: Worker, database: Database) -> None:
    record = Log().append(order())
    headers = [("type", b"OrderPlaced"), ("id", b"short")]
    await worker.poll(Log().append_raw(record.key, record.value, headers))
    ((state, key, _),) = await letters(database)
    assert (state, key) == ("malformed", None)
    (number,) = await letter_queue.heads(database)
    letter = await letter_queue.stored(database, number)
    assert letter is not None
    assert (await worker.redriver.redrive(letter)).remaining == 1

    async with database.session() as session:
        await session.execute(
            "update clinic_lib.dead_letter set record_headers = $1::jsonb",
            '[["type", "T3JkZXJQbGFjZWQ="], ["id", "AZkAAAAAcACAAAAAAAAAAA=="]]',
        )
    outcome = await worker.redriver.redrive_all()

    assert outcome == Outcome(handled=1)
    assert await steps(database) == '["placed"]'


async def test_a_letter_that_cannot_be_read_any_more_keeps_its_place(
    worker: Worker, database: Database
) -> None:
    broken.add("poison")
    log = Log()
    await worker.poll(log.append(order(note="poison")), log.append(reserved(2)))
    async with database.session() as session:
        await session.execute("update clinic_lib.dead_letter set record_value = $1 where attempts > 0", b"{")

    outcome = await worker.redriver.redrive_key(KEY)

    assert outcome.remaining == 2
    states = "select state, key, type, message_id is not null from clinic_lib.dead_letter order by id"
    assert (await rows(database, states))[0] == ("failed", KEY, "OrderPlaced", True)
    assert await notices(database) == [("OrderStepStuck", "1")]


def malformed(log: Log, event: OrderPlaced, message_id: UUID) -> ConsumerRecord:
    """A record that nobody can read before `mend_values`."""
    record = log.append(event, message_id)
    record.value = b"{" + record.value
    return record


async def mend_values(database: Database) -> None:
    async with database.session() as session:
        await session.execute("update clinic_lib.dead_letter set record_value = substr(record_value, 2)")


async def test_a_malformed_record_that_came_twice_takes_effect_once(
    worker: Worker, database: Database
) -> None:
    log, message_id = Log(), new_message_id()
    await worker.poll(malformed(log, order(), message_id), malformed(log, order(), message_id))
    found = "select distinct message_id from clinic_lib.dead_letter"
    assert await rows(database, found) == [(message_id,)]
    await mend_values(database)

    assert (await worker.redriver.redrive_all()).handled == 2
    await worker.poll(log.append(order(), message_id))

    assert [kind for kind, _ in await published(database)] == ["SeatsReserved"]
    assert await letters(database) == []


async def test_a_malformed_record_whose_key_is_parked_waits_behind_it(
    worker: Worker, database: Database
) -> None:
    log = Log()
    broken.add("poison")
    await worker.poll(log.append(order(note="poison")), malformed(log, order(2), new_message_id()))
    async with database.session() as session:
        value_of_1 = log.append(order(), new_message_id()).value
        await session.execute(
            "update clinic_lib.dead_letter set record_value = $1, record_key = $2 where state = 'malformed'",
            *(value_of_1, b"1"),
        )
    number = await value(database, "select id from clinic_lib.dead_letter where state = 'malformed'")
    letter = await letter_queue.stored(database, number)
    assert letter is not None

    outcome = await worker.redriver.redrive(letter)

    assert outcome == Outcome(0, 1, "its key order_id:1 is parked: redrive that first")
    assert await value(database, "select count(*) from my_page") == 0


async def test_what_another_process_said_of_a_letter_meanwhile_is_taken_back(
    worker: Worker, database: Database
) -> None:
    """It was read before the fifth attempt of another process, which told the owner."""
    log = Log()
    await worker.poll(log.append(order()))
    broken.add("weather")
    await worker.poll(log.append(reserved(2)))
    stale = await letter_queue.of_key(database, KEY)
    for _ in range(4):
        await retry_now(worker)
    assert await notices(database) == [("OrderStepStuck", "1")]
    broken.clear()

    await worker.redriver._handle(stale)

    assert await notices(database) == [("OrderStepStuck", "1"), ("OrderStepFreed", "1")]


async def test_a_discard_behind_a_failed_letter_does_not_try_that_again(
    worker: Worker, database: Database
) -> None:
    broken.add("poison")
    log = Log()
    await worker.poll(log.append(order(note="poison")), log.append(reserved(2)))
    (_, second) = await letter_queue.of_key(database, KEY)

    outcome = await worker.redriver.discard(second)

    assert outcome == Outcome(0, 1, "RuntimeError: stumbled over poison")
    assert await value(database, "select attempts from clinic_lib.dead_letter") == 1


async def test_an_owner_that_discards_its_own_letter_is_not_stuck_any_more(database: Database) -> None:
    owner = Worker(shop.order_service, database)
    await owner.command(PlaceOrder(seat_id=1, quantity=3))
    number = await value(database, 'select order_id from "order"')
    async with database.session() as session:
        await session.execute('delete from "order"')
    await owner.poll(Log().append(SeatsReserved(order_id=number, seat_id=1, quantity=3)))
    stuck = "select stuck <> '{}' from clinic_lib.saga"
    assert await value(database, stuck)

    (letter,) = await letter_queue.of_key(database, f"order_id:{number}")
    await owner.redriver.discard(letter)

    assert not await value(database, stuck)


async def test_an_error_of_a_function_s_own_is_not_taken_for_the_server_s(database: Database) -> None:
    service = Service(f"shop_reader_{shop.RUN}", system="shop")

    @service.step
    async def look_up(event: OrderPlaced, tx: AsyncConnection) -> None:
        raise FileNotFoundError("no such form")

    await Worker(service, database).poll(Log().append(order()))

    assert [state for state, _, _ in await letters(database)] == ["failed"]
