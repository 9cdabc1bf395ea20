"""What the business asks: visits and orders, by where they stand."""

from infra.queries.promql import latest, per_second, quantile, total

__all__ = ["begun", "by_status", "completed_share", "open_instances", "time_to_end"]

PERIOD = "1h"


def by_status(service: str) -> str:
    return latest("clinic_view_rows", f'service="{service}"', 'column="status"', by=("value",))


def open_instances(saga: str) -> str:
    """Now, whether in time or not."""
    of = (f'saga="{saga}"', 'state!="stuck"')
    return f"sum({latest('clinic_saga_instances', *of, by=('service', 'state'))})"


def begun(saga: str) -> str:
    """In an hour."""
    return "3600 * " + total(per_second("clinic_saga_started_total", f'saga="{saga}"'), "saga")


def time_to_end(share: float, saga: str) -> str:
    return quantile(share, "clinic_saga_seconds", f'saga="{saga}"', by=("state",), window=PERIOD)


def completed_share(saga: str) -> str:
    """Of those that ended within the hour."""
    ended = total(per_second("clinic_saga_ended_total", f'saga="{saga}"', window=PERIOD), "saga")
    good = total(
        per_second("clinic_saga_ended_total", f'saga="{saga}"', 'state="completed"', window=PERIOD), "saga"
    )
    return f"({good} or {ended} * 0) / {ended}"
