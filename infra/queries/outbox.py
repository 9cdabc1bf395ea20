"""The outbox and the relay that empties it."""

from infra.queries.promql import WINDOW, latest, per_second, quantile, select, total

__all__ = ["failures", "oldest", "pending", "rows", "send_duration", "sent", "swept"]

SERVICE = 'service=~"$service"'


def rows() -> str:
    return latest("clinic_outbox_rows", SERVICE, by=("service",))


def oldest(*matchers: str) -> str:
    """Seconds."""
    return latest("clinic_outbox_oldest_seconds", *matchers, by=("service",))


def pending() -> str:
    return total(select("clinic_relay_pending_rows", SERVICE), "service")


def sent() -> str:
    return total(per_second("clinic_relay_sent_total", SERVICE), "service")


def swept() -> str:
    return total(per_second("clinic_relay_swept_total", SERVICE), "service")


def failures(*matchers: str, window: str = WINDOW) -> str:
    return total(per_second("clinic_relay_failures_total", *matchers, window=window), "service")


def send_duration(share: float) -> str:
    return quantile(share, "clinic_relay_send_seconds", SERVICE, by=("service",))
