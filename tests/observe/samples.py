"""What a cluster's exporters say, for the Prometheus of a test: recorded samples, served as they would be scraped.

Each file names where its names and labels come from. What is recorded of the reception's pods is said again of every
other service's. Counters grow while they are served, so that their rates are no zeros.
"""

import re
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

from infra.systems import SYSTEMS

__all__ = ["exposition", "served"]

FOLDER = Path(__file__).with_name("samples")
GROWS = re.compile(r"^# TYPE (\S+) (counter|histogram)$")
OF_RECEPTION = re.compile(r'namespace="medical".*(pod|horizontalpodautoscaler)="reception[-"]')
A_DAY = 86_400


def exposition(seconds: float = 0) -> str:
    """All of them, in Prometheus's text format, `seconds` after they were recorded."""
    return "".join(
        f"{line}\n" for path in sorted(FOLDER.glob("*.prom")) for line in _lines(path, 1 + seconds / A_DAY)
    )


def _lines(path: Path, times: float) -> Iterator[str]:
    growing = False
    for line in path.read_text().splitlines():
        if line.startswith("#"):
            growing = bool(GROWS.match(line))
            continue
        series, _, value = line.rpartition(" ")
        grown = f"{float(value) * times:.6f}" if growing else value
        yield from (f"{each} {grown}" for each in _said_of_all(series))


def _said_of_all(series: str) -> Iterator[str]:
    if not OF_RECEPTION.search(series):
        yield series
        return
    for system in SYSTEMS:
        for service in system.services:
            there = series.replace('namespace="medical"', f'namespace="{system.namespace}"')
            yield there.replace("reception", service.kubernetes_name)


@contextmanager
def served(port: int) -> Iterator[str]:
    """At this address, under /metrics."""
    started = time.monotonic()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            body = exposition(time.monotonic() - started).encode()
            self.send_response(200)
            self.send_header("Content-Type", "text/plain; version=0.0.4; charset=utf-8")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002 # as the class calls it
            """Says nothing."""

    with ThreadingHTTPServer(("127.0.0.1", port), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        try:
            yield f"127.0.0.1:{port}"
        finally:
            server.shutdown()
            thread.join()
