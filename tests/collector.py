"""A collector of traces, as OpenTelemetry's: takes what services export over OTLP and keeps it to be asked."""

import gzip
import time
from collections import defaultdict
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from socket import SHUT_RDWR, socket
from threading import Lock, Thread
from typing import Any

from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.trace.v1 import trace_pb2

__all__ = ["Collected", "Collector", "running_collector"]


@dataclass(frozen=True)
class Collected:
    """A span as it arrived. `links` are the trace and span ids that it points to."""

    service: str
    trace_id: str
    span_id: str
    parent_id: str
    name: str
    kind: int
    start: int
    end: int
    failed: bool
    links: tuple[tuple[str, str], ...]
    attributes: dict[str, Any] = field(hash=False)


class Collector:
    """Answers with `status`, after `delay` seconds. `count` is how many spans came."""

    def __init__(self, *, keep: bool = True) -> None:
        self.count = 0
        self._keep = keep
        self.status = 200
        self.delay = 0.0
        self.requests = 0
        self.headers: dict[str, str] = {}
        self._spans: list[Collected] = []
        self._lock = Lock()
        self.address = ""

    @property
    def spans(self) -> list[Collected]:
        with self._lock:
            return list(self._spans)

    def traces(self) -> dict[str, list[Collected]]:
        """The spans of each trace, in the order of their starts."""
        found: dict[str, list[Collected]] = defaultdict(list)
        for span in sorted(self.spans, key=lambda each: each.start):
            found[span.trace_id].append(span)
        return found

    def trace(self, trace_id: str, complete: Callable[[list[Collected]], bool]) -> list[Collected]:
        """One trace, once it is complete."""
        deadline = time.monotonic() + 15
        while True:
            spans = self.traces().get(trace_id, [])
            if complete(spans):
                return spans
            assert time.monotonic() < deadline, "\n".join(f"{s.service}: {s.name}" for s in spans)
            time.sleep(0.1)

    def take(self, body: bytes) -> None:
        request = ExportTraceServiceRequest.FromString(body)
        with self._lock:
            for resource in request.resource_spans:
                self.count += sum(len(scope.spans) for scope in resource.scope_spans)
                if not self._keep:
                    continue
                named = {each.key: each.value.string_value for each in resource.resource.attributes}
                for scope in resource.scope_spans:
                    self._spans += [_collected(named["service.name"], span) for span in scope.spans]


def _collected(service: str, span: trace_pb2.Span) -> Collected:
    return Collected(
        service,
        span.trace_id.hex(),
        span.span_id.hex(),
        span.parent_span_id.hex(),
        span.name,
        span.kind,
        span.start_time_unix_nano,
        span.end_time_unix_nano,
        span.status.code == trace_pb2.Status.STATUS_CODE_ERROR,
        tuple((each.trace_id.hex(), each.span_id.hex()) for each in span.links),
        {each.key: each.value.string_value or each.value.int_value for each in span.attributes},
    )


class _Server(ThreadingHTTPServer):
    def __init__(self, *arguments: Any) -> None:
        self.connections: list[socket] = []
        super().__init__(*arguments)

    def process_request(self, request: Any, client_address: Any) -> None:
        self.connections.append(request)
        super().process_request(request, client_address)


@contextmanager
def running_collector(port: int = 0, *, keep: bool = True) -> Iterator[Collector]:
    """A collector on a port of its own, or on this one; without `keep` it only counts."""
    collector = Collector(keep=keep)

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["content-length"]))
            collector.requests += 1
            collector.headers = dict(self.headers.items()) | {"path": self.path}
            time.sleep(collector.delay)
            if collector.status == 200:
                collector.take(gzip.decompress(body) if self.headers["content-encoding"] == "gzip" else body)
            self.send_response(collector.status)
            self.send_header("content-length", "0")
            self.end_headers()

        def log_message(self, *args: object) -> None:
            """Says nothing."""

    server = _Server(("127.0.0.1", port), Handler)
    server.daemon_threads = True
    Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True).start()
    collector.address = f"http://127.0.0.1:{server.server_port}"
    try:
        yield collector
    finally:
        server.shutdown()
        server.server_close()
        for each in server.connections:
            with suppress(OSError):
                each.shutdown(SHUT_RDWR)
