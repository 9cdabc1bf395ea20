"""A service's objective as alerts: how fast its error budget burns, seen over two windows each.

A month's budget is what the objective allows to go wrong in 30 days. It burns at 1 when it is gone just then. The long
window says that it matters, the short one ends the alert when the trouble does. Rates and windows are those of
Google's Site Reliability Workbook, chapter 5, "Multiwindow, Multi-Burn-Rate Alerts".
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from infra.alerts.alert import Alert, Severity
from infra.alerts.pace import DAY, HOUR, MINUTE, REAL, Pace
from infra.queries import http, processes
from infra.systems import Service

__all__ = ["BURNS", "FEWEST", "SLOW_SHARE", "Burn", "alerts", "limit"]

SLOW_SHARE = 0.01
"""An objective's seconds are for 99 of 100 requests."""

FEWEST = 5
"""Requests that must have gone wrong in the long window: a service that is asked ten times an hour would otherwise
wake somebody for a single one.
"""


@dataclass(frozen=True)
class Burn:
    """`rate` times the even pace, over both windows; `lasts` keeps a single bad scrape from telling anybody."""

    rate: float
    long: float
    short: float
    lasts: float
    severity: Severity

    @property
    def speed(self) -> str:
        return "Fast" if self.severity == "page" else "Slowly"


BURNS = (
    Burn(14.4, HOUR, 5 * MINUTE, 2 * MINUTE, "page"),
    Burn(6, 6 * HOUR, 30 * MINUTE, 5 * MINUTE, "page"),
    Burn(3, DAY, 2 * HOUR, 15 * MINUTE, "ticket"),
    Burn(1, 3 * DAY, 6 * HOUR, HOUR, "ticket"),
)
"""2 % of the budget in an hour, 5 % in six, 10 % in a day, 10 % in three days."""


def alerts(service: Service, pace: Pace = REAL) -> list[Alert]:
    """Of one service; none of burning budgets without an objective."""
    return [_down(service), *_burning(service, pace)]


def limit(burn: Burn, budget: float) -> float:
    """The share that is too much; a service that promises little could otherwise never burn fast."""
    return min(burn.rate * budget, 0.9)


def _down(service: Service) -> Alert:
    return Alert(
        "ServiceDown",
        processes.down(service.label),
        "page",
        f"{service.label} does not answer",
        f"Prometheus has reached no process of {service.label} for two minutes.",
        board=service.board,
        lasts=2 * MINUTE,
        labels={"service": service.label},
    )


def _burning(service: Service, pace: Pace) -> Iterator[Alert]:
    objective = service.objective
    if objective is None:
        return
    matcher, seconds = http.of(service.label), objective.seconds_p99
    failed_budget = 1 - objective.availability_percent / 100
    for burn in BURNS:
        long, short = pace.span(burn.long), pace.span(burn.short)
        failed = [http.failed_share(matcher, window=each) for each in (long, short)]
        yield _alert(
            f"ErrorBudgetBurns{burn.speed}",
            _too_many(failed, limit(burn, failed_budget), http.failed(matcher, window=long)),
            service,
            burn,
            f"{service.label} answers too many requests with 5xx",
            f"of {objective.availability_percent} % availability",
        )
        slow = [http.slow_share(seconds, matcher, window=each) for each in (long, short)]
        yield _alert(
            f"LatencyBudgetBurns{burn.speed}",
            _too_many(slow, limit(burn, SLOW_SHARE), http.slow(seconds, matcher, window=long)),
            service,
            burn,
            f"too many requests to {service.label} take over {seconds} s",
            f"of 99 % within {seconds} s",
        )


def _too_many(shares: Iterable[str], bound: float, number: str) -> str:
    """The shares are too large over both windows, and it is not about a handful of requests."""
    return " and ".join([*(f"({share}) > {bound:.6g}" for share in shares), f"({number}) >= {FEWEST}"])


def _alert(name: str, expression: str, service: Service, burn: Burn, summary: str, promise: str) -> Alert:
    days = 30 / burn.rate
    return Alert(
        name,
        expression,
        burn.severity,
        summary,
        f"At this pace a month's budget {promise} is gone in {days:.2g} days "
        f"(share now: {{{{ $value | humanizePercentage }}}}).",
        board=service.board,
        lasts=burn.lasts,
        labels={"service": service.label, "window": REAL.span(burn.long)},
    )
