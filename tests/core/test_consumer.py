"""Whatever stands in the log, the consumer goes on; what is no event of ours is kept as a dead letter."""

import json
import re
from datetime import UTC, datetime
from typing import Any
from uuid import UUID, uuid4

import pytest
from aiokafka import ConsumerRecord, TopicPartition
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pydantic import field_validator

from clinic_lib import inbox
from clinic_lib.consumer import Consumer
from clinic_lib.decoding import decode, subscriptions
from clinic_lib.delivery import RecordDelivery
from clinic_lib.messages import new_message_id
from clinic_lib.metrics import consumer_records
from clinic_lib.service import Service
from clinic_lib.storage import Database
from tests.core import shop
from tests.core.shop import MyPage, OrderCancelled, OrderPlaced, ShopEvent
from tests.core.worker import LOG, Log, Worker, cloud_event, letters, rows

KNOWN = subscriptions(shop.page_service.handlers)
PLACED = OrderPlaced(order_id=1, seat_id=2, quantity=3)
MESSAGE_ID = UUID("019f0000-0000-7000-8000-000000000001")
HEADERS: list[tuple[str, bytes | None]] = [("type", b"OrderPlaced"), ("id", MESSAGE_ID.bytes)]
VALUE = cloud_event(PLACED, MESSAGE_ID)


def without(name: str) -> bytes:
    attributes = json.loads(VALUE)
    del attributes[name]
    return json.dumps(attributes).encode()


def with_data(**fields: object) -> bytes:
    attributes = json.loads(VALUE)
    attributes["data"] |= fields
    return json.dumps(attributes).encode()


def with_attributes(**attributes: object) -> bytes:
    return json.dumps(json.loads(VALUE) | attributes).encode()


MALFORMED: dict[str, tuple[bytes | None, bytes | None, list[tuple[str, bytes | None]]]] = {
    "no headers": (b"1", VALUE, []),
    "no type": (b"1", VALUE, HEADERS[1:]),
    "null type": (b"1", VALUE, [("type", None), HEADERS[1]]),
    "empty type": (b"1", VALUE, [("type", b""), HEADERS[1]]),
    "no id": (b"1", VALUE, HEADERS[:1]),
    "null id": (b"1", VALUE, [HEADERS[0], ("id", None)]),
    "short id": (b"1", VALUE, [HEADERS[0], ("id", b"123456789012345")]),
    "long id": (b"1", VALUE, [HEADERS[0], ("id", str(MESSAGE_ID).encode())]),
    "no value": (b"1", None, HEADERS),
    "empty value": (b"1", b"", HEADERS),
    "not JSON": (b"1", b"order placed", HEADERS),
    "half of it": (b"1", VALUE[:-20], HEADERS),
    "not UTF-8": (b"1", VALUE.replace(b'"tests"', b'"\xff\xfe"'), HEADERS),
    "a list": (b"1", b"[]", HEADERS),
    "null": (b"1", b"null", HEADERS),
    "very deep": (b"1", b"[" * 100_000, HEADERS),
    "no data": (b"1", without("data"), HEADERS),
    "no time": (b"1", without("time"), HEADERS),
    "no correlation": (b"1", without("correlationid"), HEADERS),
    "wrong time": (b"1", with_attributes(time="yesterday"), HEADERS),
    "another type than its header": (b"1", with_attributes(type="OrderConfirmed"), HEADERS),
    "no type in the value": (b"1", without("type"), HEADERS),
    "wrong traceparent": (b"1", with_attributes(traceparent=7), HEADERS),
    "no key": (None, VALUE, HEADERS),
    "empty key": (b"", VALUE, HEADERS),
    "another key": (b"2", VALUE, HEADERS),
    "field missing": (b"1", with_attributes(data={"order_id": 1}), HEADERS),
    "field of another type": (b"1", with_data(quantity="many"), HEADERS),
    "number too large": (b"1", with_data(seat_id=2**63), HEADERS),
    "number of no end": (b"1", VALUE.replace(b'"quantity": 3', b'"quantity": ' + b"9" * 5000), HEADERS),
    "NUL in a text": (b"1", with_data(note="a\0b"), HEADERS),
    "NUL behind backslashes": (b"1", with_data(note="\\\\\0"), HEADERS),
    "raw NUL": (b"1", with_data(note="@").replace(b"@", b"\0"), HEADERS),
    "lone surrogate": (b"1", with_data(note="\ud800"), HEADERS),
}


@pytest.mark.parametrize("kind", MALFORMED)
async def test_a_malformed_record_is_kept_and_the_next_good_one_is_handled(
    kind: str, database: Database
) -> None:
    key, value, headers = MALFORMED[kind]
    worker, log = Worker(shop.page_service, database), Log()
    bad, good = log.append_raw(key, value, headers), log.append(PLACED)

    await worker.poll(bad, good)

    ((state, parked, error),) = await letters(database)
    assert (state, parked) == ("malformed", None)
    assert error
    assert await rows(database, "select record_key, record_value from clinic_lib.dead_letter") == [
        (key, value)
    ]
    assert await rows(database, "select order_id from my_page") == [(1,)]
    assert await inbox.positions(database, [LOG]) == {(LOG, 0): 2}


async def test_a_malformed_record_is_kept_once_however_often_it_is_delivered(database: Database) -> None:
    worker = Worker(shop.page_service, database)
    bad = Log().append_raw(b"1", b"{", HEADERS)

    await worker.poll(bad, bad)
    await worker.poll(bad)

    assert len(await letters(database)) == 1


async def test_headers_of_a_malformed_record_are_kept(database: Database) -> None:
    headers = [("type", b"twice"), ("odd \0 name", b"\xff"), ("type", None)]

    await Worker(shop.page_service, database).poll(Log().append_raw(None, None, headers))

    ((kept,),) = await rows(database, "select record_headers::text from clinic_lib.dead_letter")
    assert json.loads(kept) == [["type", "dHdpY2U="], ["odd ␀ name", "/w=="], ["type", None]]


@pytest.mark.parametrize("note", ["\\u0000", "\\\\u0000", "u0000", "\\", "␀", "\\x00"])
def test_a_text_that_only_looks_like_a_nul_is_legal(note: str) -> None:
    value = with_data(note=note)

    delivery = decode(Log().append_raw(b"1", value, HEADERS), LOG, KNOWN)

    assert delivery is not None
    assert delivery.failure is None
    assert delivery.message.note == note


@pytest.mark.parametrize("spelled", [rb"\u0000", rb"\\\u0000", rb"x\u0000", rb"\\u0000\u0000", rb"\n\u0000"])
def test_a_nul_is_found_behind_any_escapes(spelled: bytes) -> None:
    value = with_data(note="@").replace(b"@", spelled)
    assert "\0" in json.loads(value)["data"]["note"]

    delivery = decode(Log().append_raw(b"1", value, HEADERS), LOG, KNOWN)

    assert delivery is not None
    assert delivery.failure is not None


@given(st.text(st.sampled_from("\\u0x\0n"), max_size=12))
def test_the_search_for_a_nul_agrees_with_json(note: str) -> None:
    delivery = decode(Log().append_raw(b"1", with_data(note=note), HEADERS), LOG, KNOWN)

    assert delivery is not None
    assert (delivery.failure is not None) is ("\0" in note)


header_names = st.sampled_from(["type", "id", "other"]) | st.text(max_size=5)
header_values = (
    st.sampled_from([b"OrderPlaced", MESSAGE_ID.bytes, b"OrderConfirmed"]) | st.none() | st.binary()
)
json_values: Any = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=8,
)
near_events = st.dictionaries(
    st.sampled_from(["source", "time", "correlationid", "causationid", "traceparent", "data", "id"]),
    json_values,
).map(lambda changes: with_attributes(**changes))
values = st.none() | st.binary() | json_values.map(lambda v: json.dumps(v).encode()) | near_events


@settings(max_examples=400, suppress_health_check=[HealthCheck.too_slow], deadline=None)
@given(
    key=st.none() | st.just(b"1") | st.binary(max_size=8),
    value=values,
    headers=st.just(HEADERS) | st.lists(st.tuples(header_names, header_values), max_size=4),
    timestamp=st.integers(-1, 2**63 - 1),
)
def test_decoding_never_raises(
    key: bytes | None, value: bytes | None, headers: list[tuple[str, bytes | None]], timestamp: int
) -> None:
    decoded = decode(Log().append_raw(key, value, headers, timestamp), LOG, KNOWN)

    assert decoded is None or isinstance(decoded, RecordDelivery)


class OrderSent(ShopEvent):
    street: str

    @field_validator("street")
    @classmethod
    def known(cls, street: str) -> str:
        return {"Mill Lane": street}[street]


sending_service = Service(f"shop_sending_{shop.RUN}", system="shop")


@sending_service.projection
def show_sent(event: OrderSent, page: MyPage | None) -> MyPage:
    return MyPage(event.order_id, event.street)


async def test_a_record_on_which_a_validator_raises_is_put_aside_without_what_stands_in_it(
    database: Database,
) -> None:
    worker, log = Worker(sending_service, database), Log()
    good, message_id = OrderSent(order_id=1, street="Mill Lane"), new_message_id()
    value = cloud_event(good, message_id).replace(b"Mill Lane", b"Ada's Row")

    bad = log.append_raw(b"1", value, [("type", b"OrderSent"), ("id", message_id.bytes)])
    await worker.poll(bad, log.append(good))

    ((state, _, error),) = await letters(database)
    assert state == "malformed"
    assert re.fullmatch(
        r"MalformedRecordError: a validator of OrderSent raised KeyError in known, line \d+", error or ""
    )
    traces = await rows(database, "select traceback from clinic_lib.dead_letter")
    assert "Ada" not in str(traces)
    assert await rows(database, "select status from my_page") == [("Mill Lane",)]


def test_an_event_is_decoded_with_its_envelope() -> None:
    cause, trace = uuid4(), "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
    value = with_attributes(causationid=str(cause), traceparent=trace, correlationid=str(cause))

    delivery = decode(Log(2).append_raw(b"1", value, HEADERS), LOG, KNOWN)

    assert delivery is not None
    assert delivery.message == PLACED
    assert delivery.key == "order_id:1"
    envelope = delivery.envelope
    assert (envelope.message_id, envelope.source) == (MESSAGE_ID, "tests")
    assert (envelope.correlation_id, envelope.causation_id, envelope.traceparent) == (cause, cause, trace)
    assert (datetime.now(UTC) - envelope.time).total_seconds() < 3600


@pytest.mark.parametrize(
    "written", ["2026-03-01T12:00:00Z", "2026-03-01t12:00:00.000z", "2026-03-01T14:00:00.0000001+02:00"]
)
def test_a_time_is_read_as_one_of_utc(written: str) -> None:
    delivery = decode(Log().append_raw(b"1", with_attributes(time=written), HEADERS), LOG, KNOWN)

    assert delivery is not None
    assert delivery.failure is None
    assert delivery.envelope.time == datetime(2026, 3, 1, 12, tzinfo=UTC)
    assert delivery.envelope.time.tzinfo is UTC


@pytest.mark.parametrize(
    ("name", "given", "said"),
    [
        ("time", "2026-03-01T12:00:00", "time: has no offset from UTC"),
        ("time", "noon", "time: is no time like 2026-03-01T12:00:00Z"),
        ("time", "1969-12-31T23:59:59Z", "time: is not between 1970 and 9000"),
        ("time", "0001-01-01T00:00:00+23:59", "time: is not between 1970 and 9000"),
        ("time", "9999-12-31T23:59:59-23:59", "time: is not between 1970 and 9000"),
        ("time", 1_700_000_000, "time: Input should be a valid string"),
        ("correlationid", "17", "correlationid: is not a UUID"),
        ("correlationid", "----0678e6f287674099a04f604264d1f792", "correlationid: is not a UUID"),
        ("causationid", "", "causationid: is not a UUID"),
    ],
)
def test_an_attribute_that_is_wrong_is_named(name: str, given: object, said: str) -> None:
    delivery = decode(Log().append_raw(b"1", with_attributes(**{name: given}), HEADERS), LOG, KNOWN)

    assert delivery is not None
    assert str(delivery.failure) == said


@pytest.mark.parametrize("trace", ["", "00-1-1-00", "00-" + "Z" * 32 + "-b7ad6b7169203331-01", 'a"b\n'])
def test_a_traceparent_that_is_none_is_dropped(trace: str) -> None:
    delivery = decode(Log().append_raw(b"1", with_attributes(traceparent=trace), HEADERS), LOG, KNOWN)

    assert delivery is not None
    assert delivery.failure is None
    assert delivery.envelope.traceparent is None


def test_fields_a_newer_version_added_are_ignored() -> None:
    value = with_attributes(data=json.loads(VALUE)["data"] | {"voucher": "X"}, newattribute=1)

    delivery = decode(Log().append_raw(b"1", value, HEADERS), LOG, KNOWN)

    assert delivery is not None
    assert delivery.message == PLACED


# --- polls as Kafka hands them over


def polled(*records: ConsumerRecord) -> dict[TopicPartition, list[ConsumerRecord]]:
    return {TopicPartition("shop", records[0].partition): list(records)}


async def test_unknown_types_are_skipped_counted_and_their_offsets_stored_with_the_next_event(
    database: Database,
) -> None:
    worker, log = Worker(shop.page_service, database), Log()
    consumer = Consumer(shop.page_service.name, worker.executor, shop.page_service.handlers, records=500)
    unknown = [("type", b"Unheard"), HEADERS[1]]
    before = skipped(shop.page_service)

    await consumer._handle(polled(*(log.append_raw(b"1", b"?", unknown) for _ in range(3))))
    await consumer._handle({**polled(Log(1).append(PLACED)), **polled(log.append_raw(b"1", b"?", unknown))})

    assert skipped(shop.page_service) - before == 4
    assert await letters(database) == []
    assert await inbox.positions(database, ["/shop"]) == {("/shop", 0): 4, ("/shop", 1): 1}


async def test_the_offset_is_stored_although_every_record_was_handled_before(database: Database) -> None:
    worker, log, message_id = Worker(shop.page_service, database), Log(), new_message_id()

    await worker.poll(log.append(PLACED, message_id))
    await worker.poll(log.append(PLACED, message_id))

    assert await inbox.positions(database, [LOG]) == {(LOG, 0): 2}


async def test_a_record_of_900_kilobytes_is_handled(database: Database) -> None:
    worker = Worker(shop.page_service, database)
    large = OrderPlaced(order_id=1, seat_id=1, quantity=1, note="x" * 900_000)

    await worker.poll(Log().append(large))

    assert await rows(database, "select status from my_page") == [("placed",)]


def test_compensations_come_after_the_steps_of_the_same_event() -> None:
    service = Service(f"shop_order_of_{shop.RUN}", system="shop")

    @service.step
    def first(event: OrderPlaced, page: MyPage | None) -> MyPage:
        return MyPage(event.order_id, "first")

    @service.compensation(first)
    def undo(event: OrderCancelled, page: MyPage) -> None:
        page.status = "undone"

    @service.step
    def last(event: OrderCancelled, page: MyPage) -> None:
        page.status = "last"

    names = [handler.name for handler in subscriptions(service.handlers)[b"OrderCancelled"].handlers]
    assert names == ["last", "undo"]


def skipped(service: Service) -> float:
    metric = consumer_records.labels(service.name, "skipped")
    return sum(
        sample.value for family in metric.collect() for sample in family.samples if "total" in sample.name
    )
