"""The dashboard of the dead letters."""

from infra.dashboards.board import Board, Link, Row, Variable
from infra.dashboards.panel import Ask, Limit, Panel, figures, graph, listing
from infra.queries import consumers, letters

__all__ = ["board"]

SERVICE = 'service=~"$service"'


def board() -> Board:
    return Board(
        uid="dead-letters",
        title="Dead letters",
        answers="Which messages were given up on, and who waits behind them?",
        owner="infra/common.py",
        variables=[Variable("service", "clinic_dead_letter_parked_keys", "service")],
        rows=[
            Row("Now", [given_up(), parked(), lying()]),
            Row("Over time", [stored(), redriven(), outcomes()]),
        ],
        links=[Link("Sagas", "/d/sagas")],
    )


def given_up() -> Panel:
    return figures(
        "Given up on",
        "short",
        [Ask(letters.lying(SERVICE, letters.GIVEN_UP), "{{service}}: {{state}}")],
        says="Failed: a function raised. Malformed: it could not be read.",
        limit=Limit(1),
    )


def parked() -> Panel:
    return figures(
        "Keys that wait",
        "short",
        [Ask(letters.parked(SERVICE), "{{service}}")],
        says="All later messages of such a visit or order wait behind its letter.",
        limit=Limit(1),
    )


def lying() -> Panel:
    return listing(
        "All letters",
        "short",
        [Ask(letters.lying(SERVICE), "{{service}}: {{state}}")],
        says="clinic dead-letters list shows them one by one.",
    )


def stored() -> Panel:
    return graph(
        "Stored",
        "ops",
        [Ask(letters.stored(SERVICE), "{{service}}: {{state}}")],
        says="By their first state.",
    )


def redriven() -> Panel:
    return graph(
        "Tried again",
        "ops",
        [Ask(letters.redriven(SERVICE), "{{service}}")],
        says="By themselves, or by clinic dead-letters redrive.",
    )


def outcomes() -> Panel:
    bad = 'outcome=~"dead_letter|parked|retrying|error"'
    return graph(
        "Functions that could not decide",
        "ops",
        [Ask(consumers.decisions(SERVICE, bad), "{{handler}}: {{outcome}}")],
        says="Where the letters come from.",
    )
