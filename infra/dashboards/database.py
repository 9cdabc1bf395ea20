"""The dashboard of PostgreSQL: as the services meet it; of the server's own pod only where there is one.

Nothing scrapes PostgreSQL itself. Azure's server has its charts in Azure's portal.
"""

from infra.alerts.events import CENSUS_AGE
from infra.dashboards.board import Board, Row, Variable
from infra.dashboards.panel import Ask, Limit, Panel, graph
from infra.queries import consumers, databases

__all__ = ["board"]


def board(*, in_the_cluster: bool) -> Board:
    rows = [Row("As the services meet it", [connections(), waits(), waiting(), repeated(), census()])]
    if in_the_cluster:
        rows.append(Row("The server inside the cluster", [ready(), cpu(), memory(), disk()]))
    return Board(
        uid="database",
        title="PostgreSQL",
        answers="Do services get connections and answers, and does the server hold?",
        owner="infra/postgresql.py",
        variables=[Variable("service", "clinic_database_connections", "service")],
        rows=rows,
    )


def connections() -> Panel:
    return graph(
        "Connections",
        "short",
        [Ask(databases.connections(), "{{service}}: {{state}}")],
        says="Of the services' pools.",
    )


def waits() -> Panel:
    shares = {0.5: "p50", 0.99: "p99"}
    return graph(
        "Waiting for a connection",
        "s",
        [Ask(databases.waits(share), f"{{{{service}}}} {name}") for share, name in shares.items()],
        says="Of the pool, or until a new one was open.",
    )


def waiting() -> Panel:
    return graph(
        "Commands that wait for a commit",
        "short",
        [Ask(databases.waiting(), "{{service}}")],
        says="They go together in the next transaction.",
    )


def repeated() -> Panel:
    return graph(
        "Batches repeated",
        "ops",
        [Ask(consumers.retries(databases.SERVICE), "{{service}}")],
        says="Rises while the server is away.",
        width=12,
    )


def census() -> Panel:
    return graph(
        "Age of what is counted in the database",
        "s",
        [Ask(consumers.census_age(databases.SERVICE), "{{service}}")],
        says="Rows in the outbox, letters, sagas, business figures: read every ten seconds.",
        limit=Limit(CENSUS_AGE),
        width=12,
    )


def ready() -> Panel:
    return graph(
        "Ready",
        "short",
        [Ask(databases.ready(), "{{statefulset}}")],
        says="1 when the server takes connections.",
        limit=Limit(1, below=True),
        width=6,
    )


def cpu() -> Panel:
    return graph("CPU", "short", [Ask(databases.pod_cpu(), "{{pod}}")], says="In cores, of two.", width=6)


def memory() -> Panel:
    return graph("Memory", "bytes", [Ask(databases.pod_memory(), "{{pod}}")], says="Of 1 GiB.", width=6)


def disk() -> Panel:
    return graph(
        "Disk in use",
        "percentunit",
        [Ask(databases.disk_used_share(), "{{persistentvolumeclaim}}")],
        says="kube-prometheus-stack tells when it fills up.",
        limit=Limit(0.8),
        width=6,
    )
