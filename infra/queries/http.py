"""Requests: how many, how many in vain, how long. The same series locally and in the cluster."""

from infra.queries.promql import WINDOW, grown, per_second, quantile, total, up_to

__all__ = [
    "by_route",
    "by_status",
    "duration",
    "failed",
    "failed_share",
    "rejected",
    "requests",
    "slow",
    "slow_share",
    "upstream_duration",
    "upstream_failures",
]

COUNT = "clinic_http_requests_total"
SECONDS = "clinic_http_request_seconds"


def of(service: str) -> str:
    return f'service="{service}"'


def requests(*matchers: str, window: str = WINDOW) -> str:
    return total(per_second(COUNT, *matchers, window=window), "service")


def by_status(service: str) -> str:
    return total(per_second(COUNT, of(service)), "status")


def by_route(service: str) -> str:
    return total(per_second(COUNT, of(service)), "method", "route")


def failed_share(*matchers: str, window: str = WINDOW) -> str:
    """The share that was answered with 5xx; 0, not nothing, where none was."""
    served = requests(*matchers, window=window)
    failed = requests(*matchers, 'status=~"5.."', window=window)
    return f"({failed} or {served} * 0) / {served}"


def slow_share(seconds: float, *matchers: str, window: str = WINDOW) -> str:
    """The share that took longer; `seconds` is one of the histogram's buckets."""
    within = per_second(f"{SECONDS}_bucket", *matchers, up_to(seconds), window=window)
    counted = total(per_second(f"{SECONDS}_count", *matchers, window=window), "service")
    return f"1 - {total(within, 'service')} / {counted}"


def failed(*matchers: str, window: str) -> str:
    """How many were answered with 5xx."""
    return total(grown(COUNT, *matchers, 'status=~"5.."', window=window), "service")


def slow(seconds: float, *matchers: str, window: str) -> str:
    """How many took longer."""
    within = total(grown(f"{SECONDS}_bucket", *matchers, up_to(seconds), window=window), "service")
    return f"{total(grown(f'{SECONDS}_count', *matchers, window=window), 'service')} - {within}"


def duration(share: float, *matchers: str) -> str:
    return quantile(share, SECONDS, *matchers, by=("service",))


def rejected(service: str) -> str:
    return total(per_second("clinic_command_rejected_total", of(service)), "service")


def upstream_duration(share: float, service: str) -> str:
    return quantile(share, "clinic_gateway_upstream_seconds", of(service), by=("upstream",))


def upstream_failures(service: str) -> str:
    return total(per_second("clinic_gateway_upstream_failures_total", of(service)), "upstream")
