"""The first dashboard: how the business goes, and which service to look at."""

from collections.abc import Sequence

from infra.dashboards.board import Board, Link, Row
from infra.dashboards.panel import Ask, Limit, Panel, figures, graph
from infra.queries import business, consumers, http, letters, outbox, sagas
from infra.queries.processes import processes
from infra.systems import System

__all__ = ["board"]

COUNTED = {
    "clinic": ("visit", "patient_management", "Visits"),
    "reservation": ("reservation", "my_page", "Orders"),
}
"""By system: its saga, the service whose view shows how each instance stands, and what people call them."""


def board(systems: Sequence[System]) -> Board:
    rows = [Row("Is all well?", [errors(systems), stuck(), given_up(), outbox_age()])]
    for system in systems:
        saga, owner, name = COUNTED[system.name]
        rows.append(
            Row(
                name,
                [
                    open_now(saga, name),
                    in_an_hour(saga, name),
                    good(saga),
                    by_status(owner, name),
                    time(saga),
                ],
            )
        )
    rows.append(Row("Services", [requests(), error_share(), durations(), answering(), behind()]))
    links = [Link(each.label, f"/d/{each.board}") for system in systems for each in system.services]
    return Board(
        uid="overview",
        title="Overview",
        answers="How does the business go, and is any service in trouble?",
        owner="infra/common.py",
        rows=rows,
        links=links,
    )


def errors(systems: Sequence[System]) -> Panel:
    gateways = "|".join(system.gateway.label for system in systems)
    return figures(
        "Errors at the gateways",
        "percentunit",
        [Ask(http.failed_share(f'service=~"{gateways}"'), "{{service}}")],
        says="The share of 5xx that people get.",
        limit=Limit(0.001),
    )


def stuck() -> Panel:
    return figures(
        "Stuck",
        "short",
        [Ask(sagas.stuck(), "{{saga}}")],
        says="Instances that go no further until somebody acts.",
        limit=Limit(1),
    )


def given_up() -> Panel:
    return figures(
        "Dead letters",
        "short",
        [Ask(letters.given_up(), "{{service}}: {{state}}")],
        says="Messages given up on.",
        limit=Limit(1),
    )


def outbox_age() -> Panel:
    return figures(
        "Oldest event not sent",
        "s",
        [Ask(f"max({outbox.oldest()})", "oldest")],
        says="Over all services; under a second while all is well.",
        limit=Limit(60),
    )


def open_now(saga: str, name: str) -> Panel:
    return figures(
        f"{name} open", "short", [Ask(business.open_instances(saga), name.lower())], says="Now.", width=4
    )


def in_an_hour(saga: str, name: str) -> Panel:
    return figures(
        f"{name} begun in an hour",
        "short",
        [Ask(business.begun(saga), name.lower())],
        says="At this pace.",
        width=4,
    )


def good(saga: str) -> Panel:
    return figures(
        "Completed",
        "percentunit",
        [Ask(business.completed_share(saga), "completed")],
        says="Of those that ended within the hour; the rest were cancelled or refused, and undone.",
        width=4,
    )


def by_status(owner: str, name: str) -> Panel:
    return graph(
        f"{name} by status",
        "short",
        [Ask(business.by_status(owner), "{{value}}")],
        says=f"As {owner} has them.",
        width=6,
    )


def time(saga: str) -> Panel:
    shares = {0.5: "p50", 0.95: "p95"}
    return graph(
        "Time to the end",
        "s",
        [Ask(business.time_to_end(share, saga), f"{{{{state}}}} {label}") for share, label in shares.items()],
        says="Of those that ended within the hour.",
        width=6,
    )


def requests() -> Panel:
    return graph(
        "Requests",
        "reqps",
        [Ask(http.requests(), "{{service}}")],
        says="Each service's page is linked above.",
    )


def error_share() -> Panel:
    return graph(
        "Share of 5xx",
        "percentunit",
        [Ask(http.failed_share(), "{{service}}")],
        says="Which service makes the errors: one behind a gateway shows there, too.",
        limit=Limit(0.001),
    )


def durations() -> Panel:
    return graph(
        "Duration, p99",
        "s",
        [Ask(http.duration(0.99), "{{service}}", exemplars=True)],
        says="Each dot is one request, and leads to its trace.",
        limit=Limit(0.5),
    )


def answering() -> Panel:
    return graph(
        "Processes that answer", "short", [Ask(processes(), "{{service}}")], says="Of each service.", width=12
    )


def behind() -> Panel:
    return graph(
        "Behind the log",
        "s",
        [Ask(consumers.behind_seconds(), "{{service}}")],
        says="Age of the oldest record not handled.",
        width=12,
    )
