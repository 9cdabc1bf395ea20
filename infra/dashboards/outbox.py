"""The dashboard of the outbox and the relay."""

from infra.alerts.events import OUTBOX_AGE
from infra.dashboards.board import Board, Row, Variable
from infra.dashboards.panel import Ask, Limit, Panel, graph
from infra.queries import outbox

__all__ = ["board"]


def board() -> Board:
    return Board(
        uid="outbox",
        title="Outbox and relay",
        answers="Do events leave the services that stored them?",
        owner="infra/common.py",
        variables=[Variable("service", "clinic_outbox_rows", "service")],
        rows=[
            Row("Outbox", [oldest(), rows(), pending()]),
            Row("Relay", [sent(), send_duration(), trouble()]),
        ],
    )


def oldest() -> Panel:
    return graph(
        "Age of the oldest event",
        "s",
        [Ask(outbox.oldest(outbox.SERVICE), "{{service}}")],
        says="Under a second while all is well.",
        limit=Limit(OUTBOX_AGE),
    )


def rows() -> Panel:
    return graph(
        "Events in the outbox",
        "short",
        [Ask(outbox.rows(), "{{service}}")],
        says="Not sent, or acknowledged less than a second ago.",
    )


def pending() -> Panel:
    return graph(
        "In memory, not acknowledged",
        "short",
        [Ask(outbox.pending(), "{{service}}")],
        says="What the relays have in their hands.",
    )


def sent() -> Panel:
    return graph(
        "Acknowledged", "eps", [Ask(outbox.sent(), "{{service}}")], says="Events that the broker has."
    )


def send_duration() -> Panel:
    shares = {0.5: "p50", 0.99: "p99"}
    return graph(
        "Until the broker acknowledges",
        "s",
        [Ask(outbox.send_duration(share), f"{{{{service}}}} {name}") for share, name in shares.items()],
        says="From handing over a flight of events to the last acknowledgement.",
    )


def trouble() -> Panel:
    return graph(
        "Failed sends, and rows of others",
        "ops",
        [
            Ask(outbox.failures(outbox.SERVICE), "{{service}}: failed"),
            Ask(outbox.swept(), "{{service}}: swept"),
        ],
        says="Failed ones start again. What another process left behind is swept: normal after a crash.",
    )
