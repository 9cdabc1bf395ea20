"""Every panel and every alert asks for what the running services, or a cluster's exporters, really say."""

import re
import time
from collections.abc import Iterator

import pytest

from infra.observe import all_alerts, all_boards
from tests.observe.conftest import Watched

pytestmark = pytest.mark.timeout(180)

CHOSEN = {
    # what Grafana fills in: four scrapes, all values of a variable as its `allValue`, or the one that is chosen
    "$__rate_interval": "10s",
    "$destination": "diagnosis",
    "$saga": ".*",
    "$service": ".*",
    "$topic": ".*",
}
FILLED_WITHIN_SECONDS = 25
"""The census is taken every ten."""
PREFIXES = "clinic|process|python|kube|kubelet|container|kafka|jvm|strimzi|istio|citadel"
NAME = re.compile(rf"\b(?:{PREFIXES})_\w+\b")


def filled(expression: str) -> str:
    for variable, value in CHOSEN.items():
        expression = expression.replace(variable, value)
    assert "$" not in expression, expression
    return expression


def asked() -> Iterator[tuple[str, str]]:
    """Where it is asked, and what."""
    for board in all_boards():
        for panel in board.content()["panels"]:
            for target in panel.get("targets", []):
                yield f"{board.title} / {panel['title']} / {target['legendFormat']}", filled(target["expr"])


def test_every_panel_has_data(watched: Watched) -> None:
    wanted = dict(asked())
    deadline = time.monotonic() + FILLED_WITHIN_SECONDS

    while empty := {where for where, what in wanted.items() if not watched.prometheus.ask(what)}:
        assert time.monotonic() < deadline, "no data:\n" + "\n".join(
            f"{where}: {wanted[where]}" for where in sorted(empty)
        )
        wanted = {where: wanted[where] for where in empty}
        time.sleep(1)


def test_what_every_alert_looks_at_is_there(watched: Watched) -> None:
    """Its own expression is empty while all is well: each series that it names is asked for instead."""
    selectors = {
        (alert.name, selector)
        for alerts in all_alerts().values()
        for alert in alerts
        for selector in re.findall(rf"\b(?:{PREFIXES})_\w+(?:\{{[^}}]*\}})?", alert.expression)
    }

    assert len(selectors) > 100
    assert {each for each in selectors if not watched.prometheus.ask(each[1])} == set()


def test_every_alert_can_be_asked(watched: Watched) -> None:
    for alerts in all_alerts().values():
        for alert in alerts:
            watched.prometheus.ask(alert.expression)


def test_every_name_is_one_that_somebody_exports(watched: Watched) -> None:
    expressions = [
        *dict(asked()).values(),
        *(alert.expression for alerts in all_alerts().values() for alert in alerts),
    ]
    names = {name for expression in expressions for name in NAME.findall(re.sub(r'"[^"]*"', "", expression))}

    assert len(names) > 60
    assert names - watched.prometheus.names() == set()


def test_a_name_that_nobody_exports_is_found(watched: Watched) -> None:
    assert not watched.prometheus.ask("clinic_invented_total")
    assert {"clinic_invented_total"} - watched.prometheus.names()
