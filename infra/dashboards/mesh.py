"""The dashboard of the mesh: requests as Istio's proxies count them, by response code."""

from infra.dashboards.board import Board, Row, Variable
from infra.dashboards.panel import Ask, Limit, Panel, figures, graph
from infra.queries import mesh

__all__ = ["board"]


def board() -> Board:
    return Board(
        uid="mesh",
        title="Mesh",
        answers="Who calls whom, with what answer, and is it encrypted?",
        owner="infra/metrics.py",
        variables=[
            Variable("destination", mesh.COUNT, "destination_service_name", several=False, first="diagnosis")
        ],
        rows=[
            Row("The chosen service", [code_rate(), by_code(), duration(), size()]),
            Row("All services", [requests(), error_share(), mutual_tls(), root()]),
        ],
    )


def code_rate() -> Panel:
    return graph(
        "Requests by response code",
        "reqps",
        [Ask(mesh.code_rate(), "{{response_code}} ({{reporter}})")],
        says="Over five minutes. The callers' proxies (source) also count what never arrived, as 503 or 0.",
        width=12,
    )


def by_code() -> Panel:
    return figures(
        "Requests since the proxies began",
        "short",
        [Ask(mesh.by_code(), "{{response_code}} ({{reporter}})")],
        says="istio_requests_total itself, by response code.",
        width=12,
    )


def duration() -> Panel:
    shares = {0.5: "p50", 0.95: "p95", 0.99: "p99"}
    return graph(
        "Duration",
        "ms",
        [Ask(mesh.duration(share), name) for share, name in shares.items()],
        says="As the service's own proxy sees it.",
        width=12,
    )


def size() -> Panel:
    return graph(
        "Bytes by caller",
        "binBps",
        [
            Ask(mesh.bytes_per_second("request"), "{{source_workload}} asks"),
            Ask(mesh.bytes_per_second("response"), "{{source_workload}} is answered"),
        ],
        says="Bodies of requests and responses.",
        width=12,
    )


def requests() -> Panel:
    return graph(
        "Requests",
        "reqps",
        [Ask(mesh.requests(), "{{destination_service_namespace}}/{{destination_service_name}}")],
        says="That arrived.",
    )


def error_share() -> Panel:
    return graph(
        "Share of errors",
        "percentunit",
        [Ask(mesh.error_share(), "{{destination_service_namespace}}/{{destination_service_name}}")],
        says="5xx, and connections that broke, as the callers' proxies see it.",
        limit=Limit(0.001),
    )


def mutual_tls() -> Panel:
    return graph(
        "Share with mutual TLS",
        "percentunit",
        [Ask(mesh.mutual_tls_share(), "{{destination_service_namespace}}")],
        says="1 is what STRICT asks for; less means that it is off somewhere.",
        limit=Limit(1, below=True),
    )


def root() -> Panel:
    return figures(
        "The root certificate ends in",
        "dtdurations",
        [Ask(mesh.root_ends(), "root")],
        says="Istio does not renew it by itself.",
    )
