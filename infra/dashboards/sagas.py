"""The dashboard of the sagas."""

from infra.dashboards.board import Board, Link, Row, Variable
from infra.dashboards.panel import Ask, Limit, Panel, figures, graph
from infra.queries import sagas

__all__ = ["board"]


def board() -> Board:
    return Board(
        uid="sagas",
        title="Sagas",
        answers="Do business flows end, how, and how soon?",
        owner="infra/common.py",
        variables=[Variable("saga", "clinic_saga_instances", "saga")],
        rows=[
            Row("Now", [open_now(), stuck()]),
            Row("Over time", [started(), ended(), duration(), overdue(), notices()]),
        ],
        links=[Link("Dead letters", "/d/dead-letters")],
    )


def open_now() -> Panel:
    return figures(
        "Open instances",
        "short",
        [Ask(sagas.open_now(sagas.SAGA), "{{saga}}: {{state}}")],
        says="Running in time, past their deadline, or stuck.",
        width=16,
    )


def stuck() -> Panel:
    return figures(
        "Stuck",
        "short",
        [Ask(sagas.stuck(), "{{saga}}")],
        says="They go no further until somebody acts: clinic sagas list --stuck.",
        limit=Limit(1),
        width=8,
    )


def started() -> Panel:
    return graph("Begun", "ops", [Ask(sagas.started(), "{{saga}}")], says="Instances begun a second.")


def ended() -> Panel:
    return graph(
        "Ended",
        "ops",
        [Ask(sagas.ended(), "{{saga}}: {{state}}")],
        says="Compensated ones were undone step by step.",
    )


def duration() -> Panel:
    shares = {0.5: "p50", 0.95: "p95"}
    return graph(
        "From start to end",
        "s",
        [
            Ask(sagas.duration(share, sagas.SAGA), f"{{{{saga}}}} {{{{state}}}} {name}")
            for share, name in shares.items()
        ],
        says="Where people act, hours are normal; where only services do, a second is long.",
    )


def overdue() -> Panel:
    return graph(
        "Deadlines reached",
        "ops",
        [Ask(sagas.overdue(), "{{saga}}")],
        says="The owner's function decided what becomes of each.",
        width=12,
    )


def notices() -> Panel:
    return graph(
        "Notices that an instance is stuck",
        "ops",
        [Ask(sagas.notices(), "{{saga}}")],
        says="Sent by the service in which it is stuck.",
        width=12,
    )
