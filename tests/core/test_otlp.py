"""Spans reach a collector; one that is away, slow or refuses never hurts."""

import logging
import socket
import time
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.trace.v1 import trace_pb2
from prometheus_client import REGISTRY

from clinic_lib.otlp import Collector as Destination
from clinic_lib.otlp import Exporter
from clinic_lib.otlp_encoding import Kind, Span, attributes, encode
from tests.collector import Collector, running_collector

SERVICE = {"service.name": "otlp_test"}


def span(number: int = 1, **more: object) -> Span:
    made = Span(f"{number:032x}", f"{number:016x}", "", "work", Kind.INTERNAL, 1_000, 2_000)
    for name, value in more.items():
        setattr(made, name, value)
    return made


@pytest.fixture
def collector() -> Iterator[Collector]:
    with running_collector() as collector:
        yield collector


@contextmanager
def exporting(
    address: str, *, most: int = 1_000, pause: float = 0.02, seconds: float = 5
) -> Iterator[Exporter]:
    exporter = Exporter(Destination(f"{address}/v1/traces", {}, seconds), SERVICE, most=most, pause=pause)
    exporter.start()
    try:
        yield exporter
    finally:
        exporter.stop()


def nowhere() -> str:
    """An address at which nobody listens."""
    with socket.create_server(("127.0.0.1", 0)) as unused:
        return f"http://127.0.0.1:{unused.getsockname()[1]}"


def dropped(reason: str) -> float:
    labels = {"service": "otlp_test", "reason": reason}
    return REGISTRY.get_sample_value("clinic_tracing_dropped_total", labels) or 0.0


def test_a_span_is_written_as_the_protocol_has_it() -> None:
    long = "ä" * 900
    common = attributes({"messaging.system": "kafka", "long": long})
    links = [f"00-{7:032x}-{8:016x}-01"] * 200
    written = span(
        2**100,
        parent_id=f"{3:016x}",
        name=long,
        kind=Kind.CONSUMER,
        attributes={"offset": 2**40, "id": "x" * 20_000, "zero": 0},
        common=common,
        links=links,
        error="ValueError",
    )
    written.span_id = f"{2**60:016x}"

    request = ExportTraceServiceRequest.FromString(encode([written, span()], {"service.name": "é", "n": "2"}))

    (resource,) = request.resource_spans
    assert {a.key: a.value.string_value for a in resource.resource.attributes} == {
        "service.name": "é",
        "n": "2",
    }
    (scope,) = resource.scope_spans
    assert scope.scope.name == "clinic_lib"
    read, plain = scope.spans
    assert (read.trace_id, read.span_id) == ((2**100).to_bytes(16, "big"), (2**60).to_bytes(8, "big"))
    assert (read.parent_span_id, read.name) == ((3).to_bytes(8, "big"), long)
    assert (read.start_time_unix_nano, read.end_time_unix_nano) == (1_000, 2_000)
    assert read.kind == trace_pb2.Span.SPAN_KIND_CONSUMER
    assert read.status.code == trace_pb2.Status.STATUS_CODE_ERROR
    assert len(read.links) == 128
    assert read.links[0].trace_id == (7).to_bytes(16, "big")
    values = {a.key: a.value for a in read.attributes}
    assert values["offset"].int_value == 2**40
    assert values["zero"].HasField("int_value")
    assert (values["id"].string_value, values["long"].string_value) == ("x" * 20_000, long)
    assert (values["messaging.system"].string_value, values["error.type"].string_value) == (
        "kafka",
        "ValueError",
    )
    assert (plain.parent_span_id, plain.status.code, list(plain.links)) == (b"", 0, [])


def test_spans_arrive_with_the_headers_that_were_asked_for(collector: Collector) -> None:
    destination = Destination(f"{collector.address}/v1/traces", {"x-tenant": "clinic"}, compressed=True)
    exporter = Exporter(destination, SERVICE, most=10_000, pause=0.02)
    exporter.start()

    exporter.take([span(n) for n in range(1, 2_001)])
    exporter.stop()

    assert len({each.span_id for each in collector.spans}) == 2_000
    assert collector.headers["x-tenant"] == "clinic"
    assert collector.headers["Content-Encoding"] == "gzip"
    assert collector.headers["Content-Type"] == "application/x-protobuf"
    assert collector.headers["path"] == "/v1/traces"


def test_a_collector_that_is_down_costs_nobody_time_and_is_told_of_once(
    caplog: pytest.LogCaptureFixture,
) -> None:
    lost = dropped("queue_full")
    with exporting(nowhere(), most=100) as exporter, caplog.at_level(logging.WARNING):
        started = time.perf_counter()
        for _ in range(50):
            exporter.take([span(n) for n in range(1, 101)])
            time.sleep(0.005)
        took = time.perf_counter() - started
        time.sleep(1.3)  # it has tried a second time
        stopping = time.perf_counter()
        exporter.stop()
        stopped = time.perf_counter() - stopping

    assert took < 1.0
    assert stopped < 2.0
    assert dropped("queue_full") - lost >= 50 * 100 - 100 - 512
    assert [each.message for each in caplog.records] == ["otlp.send_failed"]


def test_a_slow_collector_does_not_hold_up_the_end(collector: Collector) -> None:
    collector.delay = 5
    with exporting(collector.address) as exporter:
        exporter.take([span()])
        time.sleep(0.2)
        stopping = time.perf_counter()
        exporter.stop()

        assert time.perf_counter() - stopping < 2.0


def test_what_a_collector_refuses_is_lost_and_counted(collector: Collector) -> None:
    collector.status, lost = 400, dropped("refused")
    with exporting(collector.address) as exporter:
        exporter.take([span()])

    assert dropped("refused") - lost == 1


def test_what_can_not_be_sent_at_all_is_lost_and_the_next_arrives(collector: Collector) -> None:
    lost = dropped("refused")
    with exporting(collector.address) as exporter:
        exporter.take([span(1, name="\ud800")])
        time.sleep(0.3)
        exporter.take([span(2)])
        time.sleep(0.5)

        assert [each.name for each in collector.spans] == ["work"]
    assert dropped("refused") - lost == 1


def test_what_a_collector_can_not_take_now_arrives_later(collector: Collector) -> None:
    collector.status = 503
    with exporting(collector.address) as exporter:
        exporter.take([span()])
        time.sleep(0.3)
        collector.status = 200
        time.sleep(1.5)

        assert [each.name for each in collector.spans] == ["work"]


def test_a_collector_that_was_restarted_gets_the_next_spans() -> None:
    with running_collector() as first:
        port = int(first.address.rpartition(":")[2])
        exporter = Exporter(Destination(f"{first.address}/v1/traces"), SERVICE, most=100, pause=0.02)
        exporter.start()
        exporter.take([span(1)])
        time.sleep(0.2)
    with running_collector(port) as second:
        exporter.take([span(2)])
        time.sleep(0.5)
        exporter.stop()

        assert [each.span_id for each in second.spans] == [f"{2:016x}"]
