"""OTLP: finished spans go to a collector, over HTTP, in a thread of their own.

Invariant: who hands spans over never waits and never learns how it went. The queue is bounded; what finds no room
or is not taken by the collector is counted and gone.

Source: https://opentelemetry.io/docs/specs/otlp/#otlphttp
"""

import gzip
import http.client
import ssl
from collections import deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from threading import Event, Thread
from time import monotonic
from urllib.parse import urlsplit

from clinic_lib import metrics
from clinic_lib.logs import describe, logger
from clinic_lib.otlp_encoding import Span, encode

__all__ = ["Collector", "Exporter"]

REQUEST_SPANS = 512
LONGEST_PAUSE_SECONDS = 30.0
LAST_FLUSH_SECONDS = 1.0
STOPS_WITHIN_SECONDS = 1.5
WARN_SECONDS = 60.0
TRY_AGAIN = (429, 502, 503, 504)

log = logger(__name__)


@dataclass(frozen=True, slots=True)
class Collector:
    """Where spans go: the whole address, the headers that go along, seconds for one request."""

    address: str
    headers: Mapping[str, str] = field(default_factory=dict)
    seconds: float = 10.0
    compressed: bool = False
    certificate: str | None = None


class Exporter:
    """Sends spans every `pause` seconds, sooner when many wait; at most `most` wait. `resource` says whose they are."""

    def __init__(self, collector: Collector, resource: Mapping[str, str], *, most: int, pause: float) -> None:
        self._collector = collector
        self._resource = resource
        self._service = resource["service.name"]
        self._most = most
        self._pause = pause
        self._queue: deque[Span] = deque()
        self._wake = Event()
        self._ending = False
        self._connection: http.client.HTTPConnection | None = None
        self._warned = -WARN_SECONDS
        self._thread = Thread(target=self._run, name="otlp", daemon=True)

    def start(self) -> None:
        metrics.spans_exported.labels(self._service)
        for reason in ("queue_full", "refused", "shutdown"):
            metrics.spans_dropped.labels(self._service, reason)
        self._thread.start()

    def stop(self) -> None:
        """Send what waits, for a second at most; the rest is lost."""
        self._ending = True
        self._wake.set()
        self._thread.join(STOPS_WITHIN_SECONDS)
        self._lose(len(self._queue), "shutdown")

    def take(self, spans: Sequence[Span]) -> None:
        """Queue them for sending; what finds no room is lost."""
        room = self._most - len(self._queue)
        if len(spans) > room:
            self._lose(len(spans) - max(room, 0), "queue_full")
            spans = spans[: max(room, 0)]
        self._queue.extend(spans)
        if len(self._queue) >= REQUEST_SPANS:
            self._wake.set()

    def _run(self) -> None:
        trouble = 0.0
        while not self._ending:
            if trouble:
                self._wait_in_trouble(trouble)
            else:
                self._wake.wait(self._pause)
                self._wake.clear()
            taken = self._flush(self._collector.seconds)
            trouble = 0.0 if taken else min(LONGEST_PAUSE_SECONDS, max(1.0, 2 * trouble))
        self._flush(min(LAST_FLUSH_SECONDS, self._collector.seconds))
        self._disconnect()

    def _wait_in_trouble(self, seconds: float) -> None:
        """Nothing but the end wakes it: a full queue would, all the time."""
        until = monotonic() + seconds
        while not self._ending and (left := until - monotonic()) > 0:
            self._wake.wait(min(left, 0.2))
            self._wake.clear()

    def _flush(self, seconds: float) -> bool:
        """Send all that waits; False when the collector could not take it now."""
        until = monotonic() + seconds
        while self._queue and monotonic() < until:
            batch = [self._queue.popleft() for _ in range(min(REQUEST_SPANS, len(self._queue)))]
            try:
                status = self._send(encode(batch, self._resource), max(0.1, until - monotonic()))
            except (OSError, http.client.HTTPException) as exc:
                self._disconnect()
                self._put_back(batch, describe(exc))
                return False
            except Exception as exc:  # it can't be sent at all; the next can
                self._disconnect()
                self._lose(len(batch), "refused")
                self._warn(describe(exc))
                continue
            if status in TRY_AGAIN:
                self._put_back(batch, f"it answers {status}")
                return False
            if status >= 300:
                self._lose(len(batch), "refused")
                self._warn(f"it answers {status}")
            else:
                metrics.spans_exported.labels(self._service).inc(len(batch))
        return True

    def _put_back(self, batch: list[Span], why: str) -> None:
        self._queue.extendleft(reversed(batch))
        self._lose_beyond()
        self._warn(why)

    def _lose_beyond(self) -> None:
        while len(self._queue) > self._most:
            self._queue.popleft()
            self._lose(1, "queue_full")

    def _lose(self, count: int, reason: str) -> None:
        if count:
            metrics.spans_dropped.labels(self._service, reason).inc(count)

    def _warn(self, why: str) -> None:
        if monotonic() - self._warned >= WARN_SECONDS:
            self._warned = monotonic()
            log.warning("otlp.send_failed", collector=self._collector.address, error=why)

    def _send(self, body: bytes, seconds: float) -> int:
        collector, address = self._collector, urlsplit(self._collector.address)
        headers = {"Content-Type": "application/x-protobuf", **collector.headers}
        if collector.compressed:
            headers["Content-Encoding"], body = "gzip", gzip.compress(body, 1)
        kept = self._connection is not None
        try:
            return self._post(address.path, body, headers, seconds)
        except ConnectionError:
            if not kept:
                raise
        self._disconnect()  # it was closed meanwhile, as servers do with idle ones
        return self._post(address.path, body, headers, seconds)

    def _post(self, path: str, body: bytes, headers: Mapping[str, str], seconds: float) -> int:
        connection = self._connection = self._connection or self._connect(seconds)
        if connection.sock is not None:
            connection.sock.settimeout(seconds)
        connection.request("POST", path, body, dict(headers))
        answer = connection.getresponse()
        answer.read()
        return answer.status

    def _connect(self, seconds: float) -> http.client.HTTPConnection:
        address = urlsplit(self._collector.address)
        host = address.hostname or ""
        if address.scheme == "http":
            return http.client.HTTPConnection(host, address.port, timeout=seconds)
        context = ssl.create_default_context(cafile=self._collector.certificate)
        return http.client.HTTPSConnection(host, address.port, timeout=seconds, context=context)

    def _disconnect(self) -> None:
        connection, self._connection = self._connection, None
        if connection is not None:
            connection.close()
