"""The gateway as a process of its own, before real services that answer, misbehave or are dead."""

import json
import os
import re
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass

import httpx2
import pytest

from clinic_lib.local.ports import free_port
from tests.services.upstream import Echo, Misbehaving, misbehaving, serving

TRACEPARENT = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"


@dataclass
class Gateway:
    port: int
    admin_port: int
    echo: Echo
    bad: Misbehaving

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def say(self, head: str) -> bytes:
        """Send `head` byte for byte and read until the gateway closes."""
        with socket.create_connection(("127.0.0.1", self.port), 5) as connection:
            connection.sendall(head.replace("\n", "\r\n").encode() + b"\r\n\r\n")
            return b"".join(iter(lambda: connection.recv(65536), b""))


@pytest.fixture(scope="module")
def gateway() -> Iterator[Gateway]:
    port, admin_port, dead_port, echo = free_port(), free_port(), free_port(), Echo()
    with serving(echo.app) as echo_port, misbehaving() as bad:
        routes = {
            "/receptions": f"http://127.0.0.1:{echo_port}",
            "/receptions/archive": f"http://127.0.0.1:{dead_port}",
            "/diagnoses": f"http://127.0.0.1:{dead_port}",
            "/bad": f"http://127.0.0.1:{bad.server_address[1]}",
        }
        environment = {
            **os.environ,
            "GATEWAY_ROUTES": json.dumps(routes),
            "GATEWAY_READ_SECONDS": "1",
            "PORT": str(port),
            "ADMIN_PORT": str(admin_port),
        }
        process = subprocess.Popen(
            [sys.executable, "-m", "clinic_lib.server", "services.gateway.app:app"], env=environment
        )
        try:
            wait_for(port, process)
            yield Gateway(port, admin_port, echo, bad)
        finally:
            process.terminate()
            process.wait(10)


def wait_for(port: int, process: subprocess.Popen[bytes]) -> None:
    for _ in range(1200):
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)) == 0:
                return
        assert process.poll() is None, "the gateway did not start"
        time.sleep(0.05)
    raise AssertionError("the gateway does not serve")


@pytest.fixture
def client(gateway: Gateway) -> Iterator[httpx2.Client]:
    with httpx2.Client(base_url=gateway.url, timeout=10) as client:
        yield client


def headers_of(response: httpx2.Response) -> dict[str, str]:
    """The headers that the service saw."""
    return dict(response.json()["headers"])


def problem_of(response: httpx2.Response) -> int:
    """The status in a problem's body, once its form has been checked."""
    assert response.headers["content-type"] == "application/problem+json"
    problem = response.json()
    assert {"type", "title", "status", "detail"} <= problem.keys()
    assert problem["status"] == response.status_code
    status: int = problem["status"]
    return status


@pytest.mark.parametrize("method", ["GET", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "PROPFIND"])
def test_every_method_is_the_services_affair(client: httpx2.Client, method: str) -> None:
    assert client.request(method, "/receptions/1").json()["method"] == method


@pytest.mark.parametrize(
    "target",
    [
        "/receptions?",
        "/receptions/1?limit=2&limit=3",
        "/receptions/a%2Fb%20c%E2%82%AC?q=%26%3d+x%00",
        "/receptions//x/../y/./z?",
        "/receptions/1?a=b?c",
        "/receptions/[x]{y}|?<z>",
    ],
)
def test_path_and_query_arrive_byte_for_byte(gateway: Gateway, target: str) -> None:
    answer = gateway.say(f"GET {target} HTTP/1.1\nHost: x\nConnection: close")

    body = answer.partition(b"\r\n\r\n")[2]
    assert json.loads(body)["target"] == target


@pytest.mark.parametrize(
    "target", ["/", "/reception", "/receptionsX", "/openapi.json", "/health/live", "//receptions", "/x%0Ay"]
)
def test_only_the_routes_paths_are_forwarded(gateway: Gateway, target: str) -> None:
    answer = gateway.say(f"GET {target} HTTP/1.1\nHost: x\nConnection: close")

    assert answer.startswith(b"HTTP/1.1 404")
    assert b"application/problem+json" in answer


def test_the_longest_prefix_wins(client: httpx2.Client) -> None:
    assert client.get("/receptions/archives").status_code == 200
    assert client.get("/receptions/archive/1").status_code == 503


@pytest.mark.parametrize("method", ["GET", "POST"])
def test_a_dead_service_is_a_503_at_once(client: httpx2.Client, method: str) -> None:
    started = time.perf_counter()

    response = client.request(method, "/diagnoses/1", json={})

    assert time.perf_counter() - started < 0.5
    assert problem_of(response) == 503
    assert int(response.headers["retry-after"]) >= 1
    assert response.headers["x-request-id"]


@pytest.mark.parametrize("what", ["hang", "garbage", "close"])
def test_a_service_that_does_not_answer_a_post_is_asked_once(
    client: httpx2.Client, gateway: Gateway, what: str
) -> None:
    before = gateway.bad.seen[what]

    response = client.post(f"/bad/{what}", json={})

    assert problem_of(response) == 503
    assert "retry-after" in response.headers
    assert gateway.bad.seen[what] == before + 1


def test_only_a_get_is_repeated_on_a_connection_that_went_stale(
    client: httpx2.Client, gateway: Gateway
) -> None:
    got = [client.get("/bad/once-per-connection").text for _ in range(2)]
    after_gets = gateway.bad.seen["once-per-connection"]
    posted = client.post("/bad/once-per-connection", json={})

    assert got == ["ok", "ok"]
    assert after_gets == 3
    assert posted.status_code == 503
    assert gateway.bad.seen["once-per-connection"] == 4


@pytest.mark.parametrize("what", ["half", "half-chunked"])
def test_an_answer_that_breaks_off_breaks_the_callers_connection(client: httpx2.Client, what: str) -> None:
    with pytest.raises(httpx2.RemoteProtocolError):
        client.get(f"/bad/{what}")


def test_an_answer_streams(client: httpx2.Client, gateway: Gateway) -> None:
    with client.stream("GET", "/receptions/slow") as response:
        parts = response.iter_raw()
        assert next(parts) == b"first"
        gateway.echo.second_half_wanted.set()
        assert b"".join(parts) == b"second"


def test_a_body_streams(client: httpx2.Client, gateway: Gateway) -> None:
    def body() -> Iterator[bytes]:
        gateway.echo.first_part_arrived.clear()
        yield b"x" * 1000
        assert gateway.echo.first_part_arrived.wait(5), "the first part was held back"
        yield b"y" * 2000

    response = client.post("/receptions", content=body())

    assert response.json()["size"] == 3000


def test_a_large_body_passes_whole(client: httpx2.Client) -> None:
    response = client.post("/receptions", content=b"x" * 1_000_000)

    assert response.json()["size"] == 1_000_000
    assert headers_of(response)["content-length"] == "1000000"


def test_the_service_learns_who_called(client: httpx2.Client, gateway: Gateway) -> None:
    seen = headers_of(client.get("/receptions"))
    through_a_proxy = headers_of(client.get("/receptions", headers={"X-Forwarded-For": "10.0.0.1"}))

    assert seen["x-forwarded-for"] == "127.0.0.1"
    assert through_a_proxy["x-forwarded-for"].startswith("10.0.0.1, ")
    assert seen["x-forwarded-host"] == f"127.0.0.1:{gateway.port}"
    assert seen["x-forwarded-proto"] == "http"


def test_headers_of_one_connection_stay_there(client: httpx2.Client) -> None:
    seen = headers_of(
        client.get(
            "/receptions",
            headers={
                "Connection": "keep-alive, X-Hop",
                "X-Hop": "1",
                "TE": "trailers",
                "Keep-Alive": "5",
                "X-End": "1",
            },
        )
    )
    answer = client.post("/receptions/created")

    assert not {"x-hop", "te", "keep-alive", "connection"} & seen.keys()
    assert seen["x-end"] == "1"
    assert not {"x-private"} & answer.headers.keys()


def test_an_answers_headers_come_through(client: httpx2.Client) -> None:
    answer = client.post("/receptions/created")

    assert (answer.status_code, answer.headers["location"]) == (201, "/receptions/1")
    assert answer.headers.get_list("set-cookie") == ["a=1", "b=2"]
    assert len(answer.headers.get_list("date")) == 1


def test_no_cookie_of_one_caller_reaches_another(client: httpx2.Client) -> None:
    client.post("/receptions/created")

    assert "cookie" not in headers_of(httpx2.get(f"{client.base_url}/receptions"))


def test_request_id_and_trace_are_passed_on(client: httpx2.Client) -> None:
    given = {"x-request-id": "mine", "traceparent": TRACEPARENT, "tracestate": "a=b"}

    response = client.get("/receptions", headers=given)

    assert response.headers["x-request-id"] == "mine"
    assert given.items() <= headers_of(response).items()


@pytest.mark.parametrize(
    "trace", [None, "", "nonsense", TRACEPARENT + "\t-x", TRACEPARENT.replace("b7ad6b7169203331", "0" * 16)]
)
def test_a_request_id_is_made_and_a_trace_that_is_none_is_dropped(
    client: httpx2.Client, trace: str | None
) -> None:
    given = {"traceparent": trace, "tracestate": "a=b"} if trace is not None else {}

    response = client.get("/receptions", headers=given)

    seen = headers_of(response)
    assert not {"traceparent", "tracestate"} & seen.keys()
    assert response.headers["x-request-id"] == seen["x-request-id"] != ""


def test_two_traces_are_none(client: httpx2.Client) -> None:
    response = client.get("/receptions", headers=[("traceparent", TRACEPARENT)] * 2)

    assert "traceparent" not in headers_of(response)


def test_baggage_is_not_passed_on(client: httpx2.Client) -> None:
    seen = headers_of(
        client.get("/receptions", headers={"baggage": "patient=Ada", "traceparent": TRACEPARENT})
    )

    assert seen["traceparent"] == TRACEPARENT
    assert "baggage" not in seen


@pytest.mark.parametrize("wrong", ["x" * 129, "with space", ""])
def test_a_request_id_that_is_none_is_replaced(client: httpx2.Client, wrong: str) -> None:
    response = client.get("/receptions", headers={"X-Request-Id": wrong})

    assert response.headers["x-request-id"] not in ("", wrong)


def test_an_upgrade_is_not_passed_on(client: httpx2.Client) -> None:
    seen = headers_of(client.get("/receptions", headers={"Connection": "Upgrade", "Upgrade": "websocket"}))

    assert not {"connection", "upgrade"} & seen.keys()


def test_requests_are_counted_by_route(client: httpx2.Client, gateway: Gateway) -> None:
    client.get("/receptions/4711")

    metrics = httpx2.get(f"http://127.0.0.1:{gateway.admin_port}/metrics").text

    assert (
        'clinic_http_requests_total{method="GET",route="/receptions",service="gateway",status="200"}'
        in metrics
    )
    assert "4711" not in metrics


def test_an_upstream_is_timed_and_one_that_does_not_answer_is_counted(
    client: httpx2.Client, gateway: Gateway
) -> None:
    client.get("/receptions/1")
    assert client.get("/diagnoses/1").status_code == 503

    metrics = httpx2.get(f"http://127.0.0.1:{gateway.admin_port}/metrics").text

    answered = re.search(
        r'clinic_gateway_upstream_seconds_count\{service="gateway",upstream="/receptions"\} (\S+)', metrics
    )
    assert answered
    assert float(answered[1]) >= 1
    assert re.search(
        r'clinic_gateway_upstream_failures_total\{service="gateway",upstream="/diagnoses"\} [1-9]', metrics
    )
    assert 'clinic_gateway_upstream_failures_total{service="gateway",upstream="/receptions"} 0.0' in metrics
    assert 'clinic_build_info{service="gateway",version=' in metrics
