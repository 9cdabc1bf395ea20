"""Sagas: how many begin, end and stand still, and how long they take."""

from infra.queries.promql import WINDOW, grown, latest, per_second, quantile, total

__all__ = ["duration", "ended", "newly_overdue", "notices", "open_now", "overdue", "started", "stuck"]

SAGA = 'saga=~"$saga"'


def started() -> str:
    return total(per_second("clinic_saga_started_total", SAGA), "saga")


def ended() -> str:
    return total(per_second("clinic_saga_ended_total", SAGA), "saga", "state")


def duration(share: float, *matchers: str) -> str:
    return quantile(share, "clinic_saga_seconds", *matchers, by=("saga", "state"))


def open_now(*matchers: str) -> str:
    return latest("clinic_saga_instances", *matchers, by=("service", "saga", "state"))


def stuck() -> str:
    return latest("clinic_saga_instances", 'state="stuck"', by=("service", "saga"))


def overdue(window: str = WINDOW) -> str:
    """Deadlines reached, a second."""
    return total(per_second("clinic_saga_overdue_total", SAGA, window=window), "saga")


def notices() -> str:
    """That an instance is stuck, a second."""
    return total(per_second("clinic_saga_stuck_total", SAGA), "saga")


def newly_overdue(window: str, *, at_least: int, share: float) -> str:
    """How many deadlines were reached, where they are `at_least` so many and that share of what began."""
    overdue = total(grown("clinic_saga_overdue_total", window=window), "service", "saga")
    begun = total(grown("clinic_saga_started_total", window=window), "service", "saga")
    return f"{overdue} >= {at_least} and {overdue} > {share:g} * {begun}"
