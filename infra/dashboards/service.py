"""The dashboard of one service: what its callers get, what it does with the log, and what it uses."""

from infra.dashboards.board import JAEGER, LOKI, Board, Link, Row, explore
from infra.dashboards.panel import Ask, Limit, Panel, figures, graph
from infra.queries import consumers, http, outbox
from infra.queries.processes import Pods, process_cpu, process_memory
from infra.systems import Service, System

__all__ = ["board"]


def board(system: System, service: Service) -> Board:
    pods = Pods(system, service)
    rows = [
        Row(
            "Requests",
            [
                promise(service),
                speed(service),
                rate(service),
                errors(service),
                durations(service),
                routes(service),
            ],
        )
    ]
    if service.calls:
        rows.append(Row("The services behind it", [upstream(service), upstream_failures(service)]))
    if service.database:
        rows.append(
            Row("Messages", [decisions(service), lag(service), transactions(service), turned_away(service)])
        )
    rows.append(Row("Processes", [process_load(service), process_size(service)]))
    rows.append(
        Row("Pods", [cpu(pods), memory(pods, service), received(pods), sent(pods), replicas(pods, service)])
    )
    return Board(
        uid=service.board,
        title=f"Service: {service.label}",
        answers=f"How does {service.label} serve, and what does it use?",
        owner="infra/watch.py",
        rows=rows,
        links=[
            Link("Overview", "/d/overview"),
            Link("Traces", explore(JAEGER, {"queryType": "search", "service": service.label})),
            Link("Logs", explore(LOKI, {"expr": _logs(system, service), "queryType": "range"})),
        ],
    )


def _logs(system: System, service: Service) -> str:
    return f'{{namespace="{system.namespace}",service="{service.kubernetes_name}"}} | json'


def _of(service: Service) -> str:
    return http.of(service.label)


def promise(service: Service) -> Panel:
    allowed = 1 - service.objective.availability_percent / 100 if service.objective else 0
    return figures(
        "Errors",
        "percentunit",
        [Ask(http.failed_share(_of(service)), "5xx")],
        says="The share of requests answered with 5xx, and what the objective allows.",
        limit=Limit(allowed),
    )


def speed(service: Service) -> Panel:
    return figures(
        "99 of 100 within",
        "s",
        [Ask(http.duration(0.99, _of(service)), "p99")],
        says="What the slowest of a hundred requests takes, and what the objective allows.",
        limit=Limit(service.objective.seconds_p99) if service.objective else None,
    )


def rate(service: Service) -> Panel:
    return graph(
        "Requests by status",
        "reqps",
        [Ask(http.by_status(service.label), "{{status}}")],
        says="Rate: what comes in, by how it was answered.",
        width=12,
    )


def errors(service: Service) -> Panel:
    return graph(
        "Share of 5xx",
        "percentunit",
        [Ask(http.failed_share(_of(service)), "5xx")],
        says="Errors: the error budget is what lies under the line.",
        limit=Limit(1 - service.objective.availability_percent / 100) if service.objective else None,
    )


def durations(service: Service) -> Panel:
    shares = {0.5: "p50", 0.95: "p95", 0.99: "p99"}
    return graph(
        "Duration",
        "s",
        [Ask(http.duration(share, _of(service)), name, exemplars=True) for share, name in shares.items()],
        says="Duration: each dot is one request, and leads to its trace.",
        limit=Limit(service.objective.seconds_p99) if service.objective else None,
    )


def routes(service: Service) -> Panel:
    return graph(
        "Requests by route",
        "reqps",
        [Ask(http.by_route(service.label), "{{method}} {{route}}")],
        says="What it is asked for.",
    )


def upstream(service: Service) -> Panel:
    return graph(
        "Until a service begins to answer, p95",
        "s",
        [Ask(http.upstream_duration(0.95, service.label), "{{upstream}}", exemplars=True)],
        says="By the prefix that leads to it.",
        width=12,
    )


def upstream_failures(service: Service) -> Panel:
    return graph(
        "Requests that no service answered",
        "reqps",
        [Ask(http.upstream_failures(service.label), "{{upstream}}")],
        says="The service behind the prefix is down, or took too long.",
        width=12,
    )


def decisions(service: Service) -> Panel:
    return graph(
        "Decisions by function and outcome",
        "ops",
        [Ask(consumers.decisions(_of(service)), "{{handler}}: {{outcome}}")],
        says="Each time a function of the service decided, once it was committed.",
        width=12,
    )


def lag(service: Service) -> Panel:
    return graph(
        "Behind the log, and its outbox",
        "s",
        [
            Ask(consumers.behind_seconds(_of(service)), "oldest record not handled"),
            Ask(outbox.oldest(_of(service)), "oldest event not sent"),
        ],
        says="What it is late with: 0 when it is not.",
        width=12,
    )


def transactions(service: Service) -> Panel:
    return graph(
        "Transactions, p95",
        "s",
        [Ask(consumers.batch_duration(0.95, _of(service)), "{{source}}", exemplars=True)],
        says="One poll, or one group of commands, with its functions.",
        width=12,
    )


def turned_away(service: Service) -> Panel:
    return graph(
        "Commands turned away, batches repeated",
        "ops",
        [
            Ask(http.rejected(service.label), "turned away"),
            Ask(consumers.retries(_of(service)), "repeated"),
        ],
        says="Both rise while the database is away; the first alone when too many commands wait.",
        width=12,
    )


def process_load(service: Service) -> Panel:
    return graph(
        "CPU of each process",
        "short",
        [Ask(process_cpu(service.label), "{{instance}}")],
        says="In cores, as the process itself says: the same locally and in the cluster.",
        width=12,
    )


def process_size(service: Service) -> Panel:
    return graph(
        "Memory of each process",
        "bytes",
        [Ask(process_memory(service.label), "{{instance}}")],
        says="Resident, as the process itself says.",
        width=12,
    )


def cpu(pods: Pods) -> Panel:
    return graph(
        "CPU by container",
        "short",
        [
            Ask(pods.cpu(), "{{pod}} {{container}}"),
            Ask(pods.allowed("cpu", "requests"), "requested"),
            Ask(pods.allowed("cpu", "limits"), "limit"),
        ],
        says="In cores. The autoscaler goes by the container app alone.",
    )


def memory(pods: Pods, service: Service) -> Panel:
    return graph(
        "Memory by container",
        "bytes",
        [Ask(pods.memory(), "{{pod}} {{container}}"), Ask(pods.allowed("memory", "limits"), "limit")],
        says=f"At {service.resources.memory_limit} the container app is killed.",
    )


def received(pods: Pods) -> Panel:
    return graph(
        "Network: received",
        "binBps",
        [Ask(pods.network("receive"), "{{pod}}")],
        says="All that comes to the pod: requests, records, answers of the database.",
    )


def sent(pods: Pods) -> Panel:
    return graph(
        "Network: sent", "binBps", [Ask(pods.network("transmit"), "{{pod}}")], says="All that leaves the pod."
    )


def replicas(pods: Pods, service: Service) -> Panel:
    kinds = ("status_current", "status_desired", "spec_min", "spec_max")
    return graph(
        "Replicas and the autoscaler",
        "short",
        [Ask(pods.replicas(kind), kind.replace("_", " ")) for kind in kinds],
        says=f"Pods are added while CPU is over {service.scaling.cpu_percent} % of what is requested.",
        limit=Limit(service.scaling.largest),
    )
