"""The dashboard of the log's consumers and of the views that they fill."""

from infra.alerts.events import BEHIND, VIEW_DELAY
from infra.dashboards.board import Board, Row, Variable
from infra.dashboards.panel import Ask, Limit, Panel, graph
from infra.queries import consumers

__all__ = ["board"]

SERVICE = 'service=~"$service"'


def board() -> Board:
    return Board(
        uid="projections",
        title="Consumers and projections",
        answers="How old is what people see, and who is behind?",
        owner="infra/common.py",
        variables=[Variable("service", "clinic_consumer_records_total", "service")],
        rows=[
            Row("Views", [delay(), worst_delay()]),
            Row("Consumers", [behind(), waiting(), polled(), size(), duration(), repeated()]),
        ],
    )


def delay() -> Panel:
    return graph(
        "From event to view, p50",
        "s",
        [Ask(consumers.projection_delay(0.5, SERVICE), "{{service}}: {{projection}}")],
        says="From the event's time to the commit of the view that shows it.",
        width=12,
    )


def worst_delay() -> Panel:
    return graph(
        "From event to view, p95",
        "s",
        [Ask(consumers.projection_delay(0.95, SERVICE), "{{service}}: {{projection}}")],
        says="Above the line people read old news.",
        limit=Limit(VIEW_DELAY),
        width=12,
    )


def behind() -> Panel:
    return graph(
        "Age of the oldest record not handled",
        "s",
        [Ask(consumers.behind_seconds(SERVICE), "{{service}}")],
        says="0 when it has caught up.",
        limit=Limit(BEHIND),
    )


def waiting() -> Panel:
    return graph(
        "Records that wait",
        "short",
        [Ask(consumers.behind_records(SERVICE), "{{service}}")],
        says="Over all partitions.",
    )


def polled() -> Panel:
    return graph(
        "Records polled",
        "ops",
        [Ask(consumers.records(SERVICE), "{{service}}: {{outcome}}")],
        says="Skipped: of a type that nobody there handles. Many duplicates: a service was restored, or a relay died.",
    )


def size() -> Panel:
    return graph(
        "Messages in one transaction, mean",
        "short",
        [Ask(consumers.batch_size(SERVICE), "{{source}}")],
        says="Polls that are always full: the service is behind.",
    )


def duration() -> Panel:
    return graph(
        "Transactions, p95",
        "s",
        [Ask(consumers.batch_duration(0.95, SERVICE), "{{source}}", exemplars=True)],
        says="With the functions that decide in it.",
    )


def repeated() -> Panel:
    return graph(
        "Batches repeated",
        "ops",
        [Ask(consumers.retries(SERVICE), "{{service}}")],
        says="After trouble that passes, as when the database is away.",
    )
