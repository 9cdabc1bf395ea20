"""What a service reads from the log, and what it makes of it."""

from infra.queries.promql import WINDOW, latest, per_second, quantile, select, total

__all__ = [
    "batch_duration",
    "batch_size",
    "behind_records",
    "behind_seconds",
    "census_age",
    "decisions",
    "progress",
    "projection_delay",
    "records",
    "retries",
    "standstill",
]


def records(*matchers: str) -> str:
    return total(per_second("clinic_consumer_records_total", *matchers), "service", "outcome")


def progress(*matchers: str, window: str = WINDOW) -> str:
    return total(per_second("clinic_consumer_records_total", *matchers, window=window), "service")


def behind_records(*matchers: str) -> str:
    """Each partition is told by the one replica that has it."""
    return total(select("clinic_consumer_lag_records", *matchers), "service")


def behind_seconds(*matchers: str) -> str:
    return latest("clinic_consumer_lag_seconds", *matchers, by=("service",))


def standstill(window: str) -> str:
    """Records that wait, where none was handled; a counter that is not there yet is none, too."""
    return f"{behind_records()} > 0 unless {progress(window=window)} > 0"


def projection_delay(share: float, *matchers: str, window: str = WINDOW) -> str:
    return quantile(
        share, "clinic_projection_delay_seconds", *matchers, by=("service", "projection"), window=window
    )


def decisions(*matchers: str) -> str:
    return total(per_second("clinic_handler_handled_total", *matchers), "handler", "outcome")


def batch_size(*matchers: str) -> str:
    """Messages in one transaction, the mean."""
    sizes = total(per_second("clinic_executor_batch_records_sum", *matchers), "source")
    return f"{sizes} / {total(per_second('clinic_executor_batch_records_count', *matchers), 'source')}"


def batch_duration(share: float, *matchers: str) -> str:
    return quantile(share, "clinic_executor_batch_seconds", *matchers, by=("source",))


def retries(*matchers: str) -> str:
    return total(per_second("clinic_executor_retries_total", *matchers), "service")


def census_age(*matchers: str) -> str:
    """Of what is read from the database: rows in the outbox, letters, open sagas. The replica that stands still
    counts: what is asked about its figures is their highest.
    """
    return latest("clinic_census_age_seconds", *matchers, by=("service",))
