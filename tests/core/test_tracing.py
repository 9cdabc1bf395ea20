"""Traces of messages: which are sampled, what their spans say, and that they cost no statement."""

import random
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager

import pytest
from aiokafka import ConsumerRecord

from clinic_lib import tracing
from clinic_lib.deadlines import DeadlineTimer
from clinic_lib.delivery import Commands
from clinic_lib.encoding import head_of
from clinic_lib.errors import ConfigurationError
from clinic_lib.messages import Event, new_message_id
from clinic_lib.otlp_encoding import Kind
from clinic_lib.settings import load_settings
from clinic_lib.storage import Database
from clinic_lib.tracing import Sampler, SamplerName, TracingSettings
from tests.collector import Collected, Collector, running_collector
from tests.core import shop
from tests.core.shop import CancelOrder, OrderCancelled, OrderPlaced, PlaceOrder, SeatsReserved
from tests.core.test_statements import counting
from tests.core.worker import Log, Worker, cloud_event, sent, value

TRACE, PARENT = "0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331"
SAMPLED, UNSAMPLED = f"00-{TRACE}-{PARENT}-01", f"00-{TRACE}-{PARENT}-00"


@pytest.fixture
def collector() -> Iterator[Collector]:
    with running_collector() as collector:
        yield collector


@asynccontextmanager
async def traced(collector: Collector, sampler: SamplerName = "parentbased_always_on") -> AsyncIterator[None]:
    """All spans are in the collector when the block has ended."""
    settings = TracingSettings(otel_exporter_otlp_endpoint=collector.address, otel_traces_sampler=sampler)
    async with tracing.tracing("shop", settings):
        yield


@pytest.fixture
async def seat(database: Database) -> Worker:
    async with database.session() as session:
        await session.execute("insert into seat select i, 100 from generate_series(1, 50) i")
    return Worker(shop.seat_service, database)


def record(log: Log, event: Event, traceparent: str | None) -> ConsumerRecord:
    message_id = new_message_id()
    more = {"traceparent": traceparent} if traceparent else {}
    headers = [("type", event.declaration.type.encode()), ("id", message_id.bytes)]
    return log.append_raw(event.subject.encode(), cloud_event(event, message_id, **more), headers)


def placed(number: int = 1, quantity: int = 2) -> OrderPlaced:
    return OrderPlaced(order_id=number, seat_id=1, quantity=quantity)


def named(spans: list[Collected], name: str) -> Collected:
    (found,) = [each for each in spans if each.name == name]
    return found


async def context_of(database: Database, kind: str) -> str | None:
    payload = "select payload from clinic_lib.outbox where type = $1 order by id desc limit 1"
    return head_of(await value(database, payload, kind))[0]


# --- which are sampled


@pytest.mark.parametrize(
    ("name", "begins", "follows", "follows_none"),
    [
        ("always_on", True, True, True),
        ("always_off", False, False, False),
        ("parentbased_always_on", True, True, False),
        ("parentbased_always_off", False, True, False),
    ],
)
def test_a_sampler_follows_its_name(
    name: SamplerName, begins: bool, follows: bool, follows_none: bool
) -> None:
    sampler = Sampler(name, 0.5)

    assert sampler.begins(TRACE) is begins
    assert sampler.continues(SAMPLED) is follows
    assert sampler.continues(UNSAMPLED) is follows_none


def test_a_share_of_traces_is_sampled_by_their_ids_alike_in_every_process() -> None:
    ids = [f"{random.getrandbits(128):032x}" for _ in range(20_000)]
    one, other = Sampler("parentbased_traceidratio", 0.1), Sampler("traceidratio", 0.1)

    taken = [each for each in ids if one.begins(each)]

    assert 0.08 < len(taken) / len(ids) < 0.12
    assert [each for each in ids if other.continues(f"00-{each}-{PARENT}-01")] == taken


# --- what the environment says


@pytest.mark.parametrize(
    ("variable", "wrong"),
    [
        ("OTEL_TRACES_SAMPLER", "sometimes"),
        ("OTEL_TRACES_SAMPLER_ARG", "1.5"),
        ("OTEL_EXPORTER_OTLP_ENDPOINT", "jaeger:4318"),
        ("OTEL_EXPORTER_OTLP_ENDPOINT", "http://jaeger:port"),
        ("OTEL_EXPORTER_OTLP_ENDPOINT", "http://user:password@jaeger:4318"),
        ("OTEL_EXPORTER_OTLP_PROTOCOL", "grpc"),
        ("OTEL_EXPORTER_OTLP_HEADERS", "authorization=line%0Abreak"),
        ("OTEL_EXPORTER_OTLP_HEADERS", "price=5€"),
        ("OTEL_EXPORTER_OTLP_HEADERS", "no pairs"),
        ("OTEL_TRACES_EXPORTER", "zipkin"),
        ("OTEL_EXPORTER_OTLP_CERTIFICATE", "/nowhere/ca.pem"),
        ("OTEL_EXPORTER_OTLP_CERTIFICATE", __file__),
    ],
)
def test_a_wrong_variable_is_named(variable: str, wrong: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(variable, wrong)

    with pytest.raises(ConfigurationError, match=variable):
        load_settings(TracingSettings)


def test_the_collector_is_the_one_that_the_environment_names(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", "https://jaeger:4318/")
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_HEADERS", "authorization=Bearer%20x, tenant=clinic")
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_TIMEOUT", "2500")
    monkeypatch.setenv("OTEL_RESOURCE_ATTRIBUTES", "service.name=other,deployment.environment.name=dev")

    collector = load_settings(TracingSettings).collector()

    assert collector is not None
    assert collector.address == "https://jaeger:4318/v1/traces"
    assert collector.headers == {"authorization": "Bearer x", "tenant": "clinic"}
    assert collector.seconds == 2.5
    resource = load_settings(TracingSettings).resource("seat")
    assert resource == {"service.name": "other", "deployment.environment.name": "dev"}
    monkeypatch.setenv("OTEL_SERVICE_NAME", "mine")
    assert load_settings(TracingSettings).resource("seat")["service.name"] == "mine"
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "http://elsewhere:1/traces")
    collector = load_settings(TracingSettings).collector()
    assert collector is not None
    assert collector.address == "http://elsewhere:1/traces"


@pytest.mark.parametrize("variables", [{}, {"OTEL_SDK_DISABLED": "true"}, {"OTEL_TRACES_EXPORTER": "none"}])
async def test_without_a_collector_nothing_is_set_up(
    variables: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    if variables:
        monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", "http://jaeger:4318")
    for name, each in variables.items():
        monkeypatch.setenv(name, each)

    async with tracing.tracing("shop"):
        assert tracing.tracer is None
        assert tracing.enter(SAMPLED, "request") == (SAMPLED, None)
        assert tracing.enter(None, "request") == (None, None)


# --- messages


async def test_a_sampled_message_has_a_span_below_the_one_that_published_it(
    seat: Worker, database: Database, collector: Collector
) -> None:
    log = Log(7)
    async with traced(collector):
        await seat.poll(record(log, placed(), SAMPLED))
        published = await context_of(database, "SeatsReserved")

    spans = collector.traces()[TRACE]
    process, step = named(spans, "process OrderPlaced"), named(spans, "step reserve")
    assert (process.service, process.kind, process.parent_id) == ("shop", Kind.CONSUMER, PARENT)
    assert (step.parent_id, step.kind) == (process.span_id, Kind.INTERNAL)
    assert process.start <= step.start <= step.end <= process.end
    assert published == f"00-{TRACE}-{process.span_id}-01"
    expected = {
        "messaging.system": "kafka",
        "messaging.operation.type": "process",
        "messaging.operation.name": "process",
        "messaging.destination.name": shop.TOPIC,
        "messaging.destination.partition.id": "7",
        "messaging.consumer.group.name": shop.seat_service.name,
        "clinic.message.type": "OrderPlaced",
        "clinic.saga": "order",
        "clinic.saga.key": "order_id:1",
        "clinic.outcome": "done",
    }
    assert expected.items() <= process.attributes.items()
    assert (
        process.attributes["messaging.message.id"] == process.attributes["messaging.message.conversation_id"]
    )


async def test_the_span_of_a_transaction_and_those_of_its_messages_link_to_each_other(
    seat: Worker, collector: Collector
) -> None:
    log, other = Log(), f"00-{'5' * 32}-{PARENT}-01"
    async with traced(collector):
        await seat.poll(
            record(log, placed(1), SAMPLED), record(log, placed(2), UNSAMPLED), record(log, placed(3), other)
        )

    batch = named(collector.spans, "poll transaction")
    messages = [each for each in collector.spans if each.name == "process OrderPlaced"]
    assert batch.attributes["messaging.batch.message_count"] == 3
    assert batch.parent_id == ""
    assert sorted(batch.links) == sorted((each.trace_id, each.span_id) for each in messages)
    assert [each.links for each in messages] == [((batch.trace_id, batch.span_id),)] * 2


@pytest.mark.parametrize("traceparent", [UNSAMPLED, None])
async def test_what_is_not_sampled_leaves_nothing_and_is_passed_on_as_it_came(
    traceparent: str | None, seat: Worker, database: Database, collector: Collector
) -> None:
    async with traced(collector):
        await seat.poll(record(Log(), placed(), traceparent))

    assert collector.spans == []
    assert await context_of(database, "SeatsReserved") == traceparent


async def test_a_service_that_does_not_trace_passes_a_sampled_trace_on(
    seat: Worker, database: Database
) -> None:
    await seat.poll(record(Log(), placed(), SAMPLED))

    assert await context_of(database, "SeatsReserved") == SAMPLED


async def test_a_compensation_shows_only_where_something_is_undone(
    seat: Worker, collector: Collector
) -> None:
    log = Log()
    async with traced(collector):
        await seat.poll(record(log, placed(1), None))
        cancelled = [OrderCancelled(order_id=n, reason="changed my mind") for n in (1, 2)]
        await seat.poll(*(record(log, event, SAMPLED) for event in cancelled))

    spans = collector.traces()[TRACE]
    undone = named(spans, "compensation release")
    (parent,) = [each for each in spans if each.span_id == undone.parent_id]
    assert parent.attributes["clinic.saga.key"] == "order_id:1"
    assert [each.name for each in spans].count("process OrderCancelled") == 2


async def test_a_message_that_comes_again_has_one_span(seat: Worker, collector: Collector) -> None:
    first = record(Log(), placed(), SAMPLED)
    async with traced(collector):
        await seat.poll(first)
        await seat.poll(first)

    named(collector.spans, "process OrderPlaced")


async def test_a_failure_a_parked_message_and_their_redrive_are_in_the_trace(
    seat: Worker, database: Database, collector: Collector
) -> None:
    log = Log()
    async with traced(collector):
        await execute(database, "alter table seat add constraint not_97 check (free <> 97)")
        await seat.poll(
            record(log, placed(quantity=3), SAMPLED),
        )
        await seat.poll(record(log, OrderCancelled(order_id=1, reason="changed my mind"), SAMPLED))
        await execute(database, "alter table seat drop constraint not_97")
        outcome = await seat.redriver.redrive_key("order_id:1")

    assert outcome.handled == 2
    spans = collector.traces()[TRACE]
    failed, redriven = [each for each in spans if each.name == "process OrderPlaced"]
    parked, undone = [each for each in spans if each.name == "process OrderCancelled"]
    assert (failed.failed, failed.attributes["clinic.outcome"]) == (True, "failed")
    assert failed.attributes["error.type"]
    assert (parked.failed, parked.attributes["clinic.outcome"]) == (False, "parked")
    assert (redriven.failed, redriven.attributes["clinic.redrive"]) == (False, 1)
    assert named(spans, "compensation release").parent_id == undone.span_id
    assert {each.parent_id for each in (failed, redriven, parked, undone)} == {PARENT}


async def test_the_function_that_raised_is_shown_without_what_it_said(
    collector: Collector, database: Database
) -> None:
    order = Worker(shop.order_service, database)
    async with traced(collector):
        reserved = SeatsReserved(order_id=7_700_112_233, seat_id=1, quantity=1)
        await order.poll(record(Log(), reserved, SAMPLED))

    process = named(collector.spans, "process SeatsReserved")
    assert process.attributes["error.type"] == "NotFoundError"
    assert all("7700112233" not in str(v) for n, v in process.attributes.items() if n != "clinic.saga.key")


async def test_a_command_and_its_refusal_have_spans(database: Database, collector: Collector) -> None:
    order = Worker(shop.order_service, database)
    async with traced(collector):
        cancellation = CancelOrder(order_id=1, reason="mine")
        for command, key in ((PlaceOrder(seat_id=1, quantity=2), None), *[(cancellation, "order_id:1")] * 2):
            delivery = order.delivery(command, key)
            delivery.envelope = delivery.envelope._replace(traceparent=SAMPLED)
            await order.executor.run(Commands([delivery]))

    spans = collector.traces()[TRACE]
    place = named(spans, "command place")
    assert (place.parent_id, place.attributes["clinic.saga.key"]) == (PARENT, "order_id:1")
    done, refused = [each for each in spans if each.name == "command cancel"]
    assert (done.attributes["clinic.outcome"], refused.attributes["clinic.outcome"]) == ("done", "refused")
    assert not refused.failed
    assert len([each for each in collector.spans if each.name == "commands transaction"]) == 3


async def test_a_deadline_begins_a_trace_that_names_the_saga_s_first_message(
    database: Database, collector: Collector
) -> None:
    owner = Worker(shop.order_service, database)
    await owner.command(PlaceOrder(seat_id=1, quantity=3))
    await execute(database, "update clinic_lib.saga set deadline_at = now() - interval '1 second'")
    async with traced(collector):
        await DeadlineTimer(owner.executor).fire()
        await owner.poll(*await sent(database, Log(), "PurchaseDeadlineReached"))

    reached = named(collector.spans, "deadline purchase")
    spans = collector.traces()[reached.trace_id]
    process, decided = (
        named(spans, "process PurchaseDeadlineReached"),
        named(spans, "deadline give_up_waiting"),
    )
    assert (reached.parent_id, process.parent_id, decided.parent_id) == ("", reached.span_id, process.span_id)
    correlation = "select correlation_id::text from clinic_lib.saga"
    assert reached.attributes["messaging.message.conversation_id"] == await value(database, correlation)


async def test_a_message_whose_transaction_was_halved_counts_its_attempts(
    seat: Worker, database: Database, collector: Collector
) -> None:
    log = Log()
    await execute(database, "alter table seat add constraint not_97 check (free <> 97)")
    async with traced(collector):
        await seat.poll(record(log, placed(1, 1), SAMPLED), record(log, placed(2, 2), UNSAMPLED))

    assert named(collector.spans, "process OrderPlaced").attributes["clinic.attempts"] == 2


async def test_traces_cost_no_statement(seat: Worker, database: Database, collector: Collector) -> None:
    log, counts = Log(), []
    for settings in (None, collector):
        async with counting(database) as counted:
            if settings is None:
                await seat.poll(*(record(log, placed(n), SAMPLED) for n in range(1, 30)))
            else:
                async with traced(collector):
                    await seat.poll(*(record(log, placed(n), SAMPLED) for n in range(31, 60)))
        counts.append(len(counted.statements))

    assert counts[0] == counts[1] > 0
    assert len([each for each in collector.spans if each.name == "process OrderPlaced"]) == 29


async def execute(database: Database, statement: str) -> None:
    async with database.session() as session:
        await session.execute(statement)
