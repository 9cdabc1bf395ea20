"""For every alert, what has just to make it fire, and what has just not to: series for `promtool test rules`.

Both are computed from the objective or limit in the code, so that another limit makes another case.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from math import ceil

from infra.alerts import events, kafka, mesh
from infra.alerts.alert import Alert
from infra.alerts.objective import BURNS, FEWEST, SLOW_SHARE, Burn, limit
from infra.alerts.pace import DAY, HOUR, MINUTE
from infra.systems import Service

__all__ = ["Case", "Series", "cases_of"]

MUCH, LITTLE = 1.05, 0.95
"""Times the limit."""
REQUESTS_A_STEP = 1_000_000
"""So many that rounding a share of them says nothing."""
Series = Mapping[str, str]
"""By their name and labels, values in promtool's notation."""


@dataclass(frozen=True)
class Case:
    """`step` is in seconds, between the values; at `at`, in seconds, the alert fires, or is silent."""

    name: str
    series: Series
    step: float
    at: float
    fires: bool


def cases_of(alert: Alert, service: Service | None) -> Iterator[Case]:
    """`service` is whose objective it is; None for what all services share."""
    if alert.name.startswith(("ErrorBudget", "LatencyBudget")):
        assert service is not None
        yield from _burning(alert, service)
        return
    trouble = OTHERS[alert.name](alert)
    after = trouble.begins + alert.lasts + 3 * MINUTE
    yield Case("just over", trouble.loud, MINUTE, after, fires=True)
    yield Case("just under", trouble.silent, MINUTE, after, fires=False)
    if alert.lasts:
        soon = trouble.begins + alert.lasts / 2
        yield Case("not long enough", trouble.loud, MINUTE, soon, fires=False)


def _burning(alert: Alert, service: Service) -> Iterator[Case]:
    objective = service.objective
    assert objective is not None
    slow = alert.name.startswith("Latency")
    budget = SLOW_SHARE if slow else 1 - objective.availability_percent / 100
    burn = next(each for each in BURNS if _is_of(alert, each))
    step = max(MINUTE, burn.short / 10)
    until = ceil((burn.long + burn.lasts) / step + 4) * step
    series = _slow_requests if slow else _failed_requests
    for name, times, fires in (("just over", MUCH, True), ("just under", LITTLE, False)):
        yield Case(name, series(service, limit(burn, budget) * times, until, step), step, until, fires)
    # the trouble was bad, and is over: the long window still shows it, the short one does not
    over = until + burn.short + 2 * step
    ended = series(service, min(2 * limit(burn, budget), 1), until, step, rest=burn.short + 4 * step)
    yield Case("over", ended, step, over, fires=False)
    # as many as count, or one less, and no other request: the shares are 1 over both windows
    quiet = ceil(burn.long / step)
    last = quiet * step + ceil(burn.lasts / step + 1) * step
    for number, fires in ((FEWEST, True), (FEWEST - 1, False)):
        few = _few_requests(service, number, quiet, slow=slow)
        yield Case(f"{number} alone", few, step, last, fires)


def _is_of(alert: Alert, burn: Burn) -> bool:
    return alert.labels["window"] == {HOUR: "1h", 6 * HOUR: "6h", DAY: "1d", 3 * DAY: "3d"}[burn.long]


def _counter(each: float, until: float, step: float, rest: float, rest_each: float) -> str:
    """Grows by `each` a step, and then, for `rest` seconds, by `rest_each`."""
    steps = round(until / step)
    grown = f"0+{each:g}x{steps}"
    if not rest:
        return f"{grown} {each * (steps + 1):g}+{each:g}x10"
    return f"{grown} {each * steps + rest_each:g}+{rest_each:g}x{round(rest / step)}"


def _failed_requests(service: Service, share: float, until: float, step: float, rest: float = 0) -> Series:
    failed = round(REQUESTS_A_STEP * share)
    labels = f'service="{service.label}",method="GET",route="/"'
    return {
        f'clinic_http_requests_total{{{labels},status="200"}}': _counter(
            REQUESTS_A_STEP - failed, until, step, rest, REQUESTS_A_STEP
        ),
        f'clinic_http_requests_total{{{labels},status="503"}}': _counter(failed, until, step, rest, 0),
        f'clinic_build_info{{service="{service.label}"}}': f"1x{round((until + rest) / step) + 10}",
    }


def _slow_requests(service: Service, share: float, until: float, step: float, rest: float = 0) -> Series:
    assert service.objective is not None
    within = round(REQUESTS_A_STEP * (1 - share))
    labels = f'service="{service.label}",method="GET",route="/"'
    bucket = f"clinic_http_request_seconds_bucket{{{labels}"
    return {
        f'{bucket},le="{service.objective.seconds_p99:g}"}}': _counter(
            within, until, step, rest, REQUESTS_A_STEP
        ),
        f'{bucket},le="+Inf"}}': _counter(REQUESTS_A_STEP, until, step, rest, REQUESTS_A_STEP),
        f"clinic_http_request_seconds_count{{{labels}}}": _counter(
            REQUESTS_A_STEP, until, step, rest, REQUESTS_A_STEP
        ),
        f'clinic_build_info{{service="{service.label}"}}': f"1x{round((until + rest) / step) + 10}",
    }


def _few_requests(service: Service, number: int, quiet: int, *, slow: bool) -> Series:
    """For `quiet` steps nobody asks anything; then so many requests go wrong in one."""
    assert service.objective is not None
    labels = f'service="{service.label}",method="GET",route="/"'
    bad, none = f"0x{quiet - 1} {number}x20", f"0x{quiet + 20}"
    if not slow:
        return {
            f'clinic_http_requests_total{{{labels},status="200"}}': none,
            f'clinic_http_requests_total{{{labels},status="503"}}': bad,
        }
    bucket = f"clinic_http_request_seconds_bucket{{{labels}"
    return {
        f'{bucket},le="{service.objective.seconds_p99:g}"}}': none,
        f'{bucket},le="+Inf"}}': bad,
        f"clinic_http_request_seconds_count{{{labels}}}": bad,
    }


@dataclass(frozen=True)
class Trouble:
    """What makes it fire, what does not, and when it begins, in seconds. A value a minute."""

    loud: Series
    silent: Series
    begins: float = 0


WELL = 10
"""Minutes before the trouble."""


def _service_down(alert: Alert) -> Trouble:
    return _gone(f"clinic_build_info{{service='{alert.labels['service']}'}}")


def _gone(series: str) -> Trouble:
    return Trouble({series: f"1x{WELL} stale"}, {series: "1x100"}, (WELL + 1) * MINUTE)


def _gauge(series: str, good: float, bad: float, well: float = 0) -> Trouble:
    """All is well for ten minutes; then it is `bad`, or just as good as may be."""
    before = f"{well:g}x{WELL}"
    return Trouble(
        {series: f"{before} {bad:g}x2000"}, {series: f"{before} {good:g}x2000"}, (WELL + 1) * MINUTE
    )


def _over(series: str, bound: float) -> Trouble:
    return _gauge(series, bound * LITTLE, bound * MUCH)


def _counts(series: str) -> Trouble:
    return _gauge(series, 0, 1)


def _counts_through_a_restart(series: str, alert: Alert) -> Trouble:
    """Half way the process begins anew, and has nothing to tell for two minutes."""
    half = round(alert.lasts / MINUTE / 2)
    trouble = _counts(series)
    return Trouble({series: f"0x{WELL} 1x{half} stale _ 1x2000"}, trouble.silent, trouble.begins)


def _census_old(_: Alert) -> Trouble:
    """One replica stands still, the other counts."""
    fresh = {"clinic_census_age_seconds{service='order',pod='order-1'}": "5x30"}
    trouble = _over("clinic_census_age_seconds{service='order',pod='order-2'}", events.CENSUS_AGE)
    return Trouble({**trouble.loud, **fresh}, {**trouble.silent, **fresh}, trouble.begins)


def _sagas_overdue(_: Alert) -> Trouble:
    """Of a hundred a minute, one more a minute than may be, or one less."""
    began = "clinic_saga_started_total{service='order',saga='reservation'}"
    late = "clinic_saga_overdue_total{service='order',saga='reservation'}"
    may = 100 * events.OVERDUE_SHARE
    return Trouble(
        {began: "0+100x200", late: f"0+{may + 1:g}x200"},
        {began: "0+100x200", late: f"0+{may - 1:g}x200"},
    )


def _relay_fails(_: Alert) -> Trouble:
    """A failure in every five minutes, or one alone."""
    failures = "clinic_relay_failures_total{service='order'}"
    return Trouble({failures: "0x10 1+1x60"}, {failures: "0x10 1x60"}, (WELL + 1) * MINUTE)


def _stands_still(_: Alert) -> Trouble:
    lag = "clinic_consumer_lag_records{service='seat',partition='3'}"
    polled = "clinic_consumer_records_total{service='seat',outcome='handled'}"
    return Trouble({lag: "5x60", polled: "100x60"}, {lag: "5x60", polled: "100+1x60"})


def _projection_behind(_: Alert) -> Trouble:
    """Six in a hundred over the limit, or four: the alert goes by the 95th."""
    of = "clinic_projection_delay_seconds_bucket{service='my_page',projection='placed'"
    bound = f"{of},le='{events.VIEW_DELAY:.1f}'}}"
    rest = {f"{of},le='60.0'}}": "0+100x60", f"{of},le='+Inf'}}": "0+100x60"}
    return Trouble({bound: "0+94x60", **rest}, {bound: "0+96x60", **rest})


def _letter_stored(_: Alert) -> Trouble:
    """A third letter after two old ones, redriven before anybody looks, or the old ones alone."""
    letters = "clinic_dead_letter_rows{service='seat',state='failed'}"
    return Trouble({letters: "2x120 3 2x30"}, {letters: "2x150"}, 2 * HOUR)


def _disk_fills(_: Alert) -> Trouble:
    """A disk of 100 GB that loses just so much a minute that it is full a little before the time, or after."""
    disk = "kubelet_volume_stats_available_bytes{namespace='kafka',persistentvolumeclaim='data-0-clinic-nodes-0'}"
    minutes = 500
    left = 100e9
    pace = left / (kafka.DISK_DAYS * DAY / MINUTE)
    fast, slow = pace * MUCH, pace * LITTLE
    return Trouble(
        {disk: f"{left + fast * 360:.0f}-{fast:.0f}x{minutes}"},
        {disk: f"{left + slow * 500:.0f}-{slow:.0f}x{minutes}"},
    )


def _ends(series: str, days: float, *, milliseconds: bool = False) -> Trouble:
    """promtool's clock begins at 0."""
    times = 1000 if milliseconds else 1
    soon, late = (days * DAY * share * times for share in (LITTLE, MUCH))
    return Trouble({series: f"{soon:.0f}x100"}, {series: f"{late:.0f}x100"})


OTHERS = {
    "ServiceDown": _service_down,
    "SagaStuck": lambda _: _counts("clinic_saga_instances{service='order',saga='reservation',state='stuck'}"),
    "SagasOverdue": _sagas_overdue,
    "OutboxOld": lambda _: _over("clinic_outbox_oldest_seconds{service='order'}", events.OUTBOX_AGE),
    "RelayFails": _relay_fails,
    "ConsumerBehind": lambda _: _over("clinic_consumer_lag_seconds{service='order'}", events.BEHIND),
    "ConsumerStandsStill": _stands_still,
    "ProjectionBehind": _projection_behind,
    "CensusOld": _census_old,
    "DeadLetterStored": _letter_stored,
    "DeadLettersLie": lambda alert: _counts_through_a_restart(
        "clinic_dead_letter_rows{service='seat',state='malformed'}", alert
    ),
    "KeysParked": lambda alert: _counts_through_a_restart(
        "clinic_dead_letter_parked_keys{service='seat'}", alert
    ),
    "KafkaDown": lambda _: _gone(
        "kafka_server_replicamanager_leadercount{namespace='kafka',pod='clinic-nodes-0'}"
    ),
    "KafkaPartitionsOffline": lambda _: _counts(
        "kafka_controller_kafkacontroller_offlinepartitionscount{namespace='kafka',pod='clinic-nodes-0'}"
    ),
    "KafkaUnderReplicated": lambda _: _counts(
        "kafka_server_replicamanager_underreplicatedpartitions{namespace='kafka',pod='clinic-nodes-0'}"
    ),
    "KafkaDiskFills": _disk_fills,
    "KafkaAuthorityEnds": lambda _: _ends(
        "strimzi_certificate_expiration_timestamp_ms{type='cluster-ca'}",
        kafka.AUTHORITY_DAYS,
        milliseconds=True,
    ),
    "PostgresqlDown": lambda _: _gauge(
        "kube_statefulset_status_replicas_ready{namespace='postgresql',statefulset='postgresql'}",
        good=1,
        bad=0,
        well=1,
    ),
    "MeshRootEnds": lambda _: _ends("citadel_server_root_cert_expiry_timestamp", mesh.ROOT_DAYS),
}
