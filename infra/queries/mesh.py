"""The mesh: what the proxies count of each request, and when Istio's root certificate ends."""

from infra.queries.promql import per_second, select, total

__all__ = [
    "bytes_per_second",
    "by_code",
    "code_rate",
    "duration",
    "error_share",
    "mutual_tls_share",
    "requests",
    "root_ends",
]

COUNT = "istio_requests_total"
DESTINATION = 'destination_service_name="$destination"'
OVER = "5m"
REPORTED = 'reporter="destination"'


def by_code() -> str:
    """Since the proxies began, per response code and side: the caller's proxy also counts what never arrived."""
    return total(select(COUNT, DESTINATION), "response_code", "reporter")


def code_rate() -> str:
    return total(per_second(COUNT, DESTINATION, window=OVER), "response_code", "reporter")


def requests() -> str:
    return total(per_second(COUNT, REPORTED), "destination_service_namespace", "destination_service_name")


def error_share() -> str:
    """By the callers' proxies, so that what never arrived is among it."""
    by = ("destination_service_namespace", "destination_service_name")
    sent = total(per_second(COUNT, 'reporter="source"'), *by)
    failed = total(per_second(COUNT, 'reporter="source"', 'response_code=~"5..|0"'), *by)
    return f"({failed} or {sent} * 0) / {sent}"


def duration(share: float) -> str:
    """Milliseconds."""
    buckets = total(per_second("istio_request_duration_milliseconds_bucket", DESTINATION, REPORTED), "le")
    return f"histogram_quantile({share}, {buckets})"


def mutual_tls_share() -> str:
    arrived = total(per_second(COUNT, REPORTED), "destination_service_namespace")
    secured = total(
        per_second(COUNT, REPORTED, 'connection_security_policy="mutual_tls"'),
        "destination_service_namespace",
    )
    return f"({secured} or {arrived} * 0) / {arrived}"


def bytes_per_second(direction: str) -> str:
    """`direction` is `request` or `response`."""
    return total(per_second(f"istio_{direction}_bytes_sum", DESTINATION, REPORTED), "source_workload")


def root_ends() -> str:
    return f"min({select('citadel_server_root_cert_expiry_timestamp')}) - time()"
