"""Metrics: every one that a process exports, declared once, with what it means and where to look when it moves.

Who counts does so in plain numbers, a batch at a time, and once it is committed. A label's values are bounded:
names that the code declares, patterns of routes, numbers of partitions; never an id, never a caller's text.
`python -m clinic_lib.metrics > docs/metrics.md` writes the table of all of them.
"""

from clinic_lib.metric import counter, gauge, histogram, shared_gauge, table
from clinic_lib.version import library_version

__all__ = ["say_version"]

BATCH_RECORDS = (1, 2, 5, 10, 25, 50, 100, 250, 500, 1000)
"""A poll has 1,000 records at most, a group of commands 500: the ends show the lone message and the full batch."""

TRANSACTION_SECONDS = (0.002, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 10, 60)
"""From one command (a few ms) over a full poll (about 50 ms) to the driver's own time limit, a minute."""

REQUEST_SECONDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 15)
"""A query takes 1 ms, a command one commit; objectives are set between 100 ms and 1 s; the gateway waits 15 s."""

DELAY_SECONDS = (0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 15, 60, 300)
"""A view is some 50 ms behind; who waits notices a second. What is older than minutes is an outage or a rebuild."""

SEND_SECONDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 10, 40)
"""A broker acknowledges within ms, three of them within tens; the producer gives up after 40 s."""

WAIT_SECONDS = (0.0001, 0.0005, 0.001, 0.005, 0.01, 0.05, 0.1, 0.5, 1, 5)
"""A free connection is handed out in 0.1 ms, a new one made in 10; the pool gives up after 5 s."""

SAGA_SECONDS = (0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 15, 60, 300, 900, 3600, 14_400, 86_400, 604_800)
"""One that only services carry takes 0.1 s, one in which people act hours or days; deadlines lie between."""

DEAD_LETTER = "[a dead letter appears](operations.md#a-dead-letter-appears)"
STUCK = "[a saga is stuck or overdue](operations.md#a-saga-is-stuck-or-overdue)"
KAFKA = "[Kafka is down](operations.md#kafka-is-down)"
DATABASE = "[the database is down](operations.md#the-database-is-down)"

# --- requests

http_requests = counter(
    "clinic_http_requests_total",
    "requests",
    ("method", "route", "status"),
    "Requests answered, without the kubelet's probes; `route` is the pattern, in the gateway the prefix, `none` where "
    "nothing is served.",
    "`status` 5xx: the service's log. 503: `clinic_command_rejected_total`.",
)
http_seconds = histogram(
    "clinic_http_request_seconds",
    ("method", "route"),
    "Duration of requests.",
    "For POSTs `clinic_executor_batch_seconds`, for GETs `clinic_database_wait_seconds`.",
    buckets=REQUEST_SECONDS,
)
command_waiting = gauge(
    "clinic_command_waiting",
    "commands",
    (),
    "Commands that wait for the next group commit.",
    'Near `WAITING_COMMANDS`: `clinic_executor_batch_seconds{source="commands"}`.',
)
command_rejected = counter(
    "clinic_command_rejected_total",
    "commands",
    (),
    "Commands answered 503 with Retry-After: too many wait, the database is away, or the process ends.",
    DATABASE,
)
gateway_seconds = histogram(
    "clinic_gateway_upstream_seconds",
    ("upstream",),
    "From a request's sending to the beginning of the answer of the service behind the prefix `upstream`.",
    "`clinic_http_request_seconds` of that service.",
    buckets=REQUEST_SECONDS,
)
gateway_failures = counter(
    "clinic_gateway_upstream_failures_total",
    "requests",
    ("upstream",),
    "Requests to which no answer began: the service behind the prefix is down, or took too long.",
    "[a service is down](operations.md#a-service-is-down)",
)

# --- transactions

executor_batch_records = histogram(
    "clinic_executor_batch_records",
    ("source",),
    "Messages in one transaction; `source` is `poll`, `commands`, `redrive` or `discard`.",
    "Polls that are always full: the service is behind, `clinic_consumer_lag_records`.",
    buckets=BATCH_RECORDS,
    unit="messages",
)
executor_batch_seconds = histogram(
    "clinic_executor_batch_seconds",
    ("source",),
    "Duration of one transaction, with its functions.",
    "PostgreSQL's load and locks; `clinic_database_wait_seconds`.",
    buckets=TRANSACTION_SECONDS,
)
executor_retries = counter(
    "clinic_executor_retries_total",
    "batches",
    (),
    "Polls and groups of commands that were repeated after trouble that passes.",
    DATABASE,
)
handled = counter(
    "clinic_handler_handled_total",
    "decisions",
    ("handler", "kind", "outcome"),
    "Decisions of functions that were committed: `done`, `failure` (answered with a failure event), `refused` "
    "(a command's 4xx), `error` (a command's 500), `retrying`, `dead_letter`, or `parked` behind one.",
    DEAD_LETTER,
)

# --- the log

consumer_records = counter(
    "clinic_consumer_records_total",
    "records",
    ("outcome",),
    "Records polled: `handled`, `duplicate` (known to the inbox), `skipped` (of a type that nobody here handles).",
    "Many duplicates: a service was restored, or a relay died.",
)
consumer_lag = gauge(
    "clinic_consumer_lag_records",
    "records",
    ("partition",),
    "Records of a partition that this process still has to handle; only partitions that it has.",
    "Grows: more replicas, or `clinic_executor_retries_total`.",
)
consumer_lag_seconds = gauge(
    "clinic_consumer_lag_seconds",
    "s",
    (),
    "Age of the oldest record that is not yet handled; 0 when there is none.",
    "Grows while the lag stands still: the service's log says what it repeats.",
)
projection_delay = histogram(
    "clinic_projection_delay_seconds",
    ("projection",),
    "From an event's time to the commit of the view that shows it; of each transaction the worst one.",
    "`clinic_consumer_lag_seconds` here, `clinic_outbox_oldest_seconds` where the events come from.",
    buckets=DELAY_SECONDS,
)

# --- the outbox

outbox_rows = shared_gauge(
    "clinic_outbox_rows",
    "rows",
    (),
    "Events in the outbox: not sent, or acknowledged less than a second ago.",
    KAFKA,
)
outbox_oldest = shared_gauge(
    "clinic_outbox_oldest_seconds", "s", (), "Age of the oldest of them; 0 when there is none.", KAFKA
)
relay_sent = counter(
    "clinic_relay_sent_total", "events", (), "Events that the broker has acknowledged.", KAFKA
)
relay_swept = counter(
    "clinic_relay_swept_total",
    "rows",
    (),
    "Outbox rows that another process or an earlier run left behind.",
    "Rises after a crash; otherwise a process is alive and does not send.",
)
relay_pending = gauge(
    "clinic_relay_pending_rows", "rows", (), "Outbox rows in memory, not yet acknowledged.", KAFKA
)
relay_seconds = histogram(
    "clinic_relay_send_seconds",
    (),
    "From handing over a flight's producer batches to the last one's acknowledgement.",
    "The brokers' load.",
    buckets=SEND_SECONDS,
)
relay_failures = counter(
    "clinic_relay_failures_total", "flights", (), "Sends that failed and start again.", KAFKA
)

# --- sagas

sagas_started = counter("clinic_saga_started_total", "instances", ("saga",), "Instances begun.", STUCK)
sagas_ended = counter(
    "clinic_saga_ended_total",
    "instances",
    ("saga", "state"),
    "Instances ended, by how they did first: `completed` or `compensated`.",
    "`clinic sagas list`",
)
sagas_overdue = counter("clinic_saga_overdue_total", "instances", ("saga",), "Deadlines reached.", STUCK)
sagas_stuck = counter(
    "clinic_saga_stuck_total",
    "notices",
    ("saga",),
    "Notices of services that an instance is stuck in.",
    STUCK,
)
saga_instances = shared_gauge(
    "clinic_saga_instances",
    "instances",
    ("saga", "state"),
    "Instances that are `running`, `overdue` or `stuck` now; one may be stuck after its end, too.",
    "`clinic sagas list --state …`",
)
saga_seconds = histogram(
    "clinic_saga_seconds",
    ("saga", "state"),
    "From an instance's start to its end.",
    "`clinic sagas show ID` of a slow one.",
    buckets=SAGA_SECONDS,
)

# --- dead letters

dead_letters = counter(
    "clinic_dead_letter_stored_total",
    "letters",
    ("state",),
    "Letters stored, by their first state: `failed`, `retrying`, `waiting` or `malformed`.",
    DEAD_LETTER,
)
dead_letter_rows = shared_gauge(
    "clinic_dead_letter_rows", "letters", ("state",), "Letters that lie there now.", DEAD_LETTER
)
parked_keys = shared_gauge(
    "clinic_dead_letter_parked_keys",
    "keys",
    (),
    "Keys whose later messages wait behind a letter.",
    DEAD_LETTER,
)
redriven = counter(
    "clinic_redrive_letters_total",
    "letters",
    (),
    "Letters that were tried again, by themselves or by hand.",
    DEAD_LETTER,
)

# --- the database, and what the service counts in it

database_connections = gauge(
    "clinic_database_connections",
    "connections",
    ("state",),
    "Connections to the database, `used` or `idle`.",
    "All used for long: `DATABASE_CONNECTIONS`, slow queries.",
)
database_wait = histogram(
    "clinic_database_wait_seconds",
    (),
    "How long was waited for a connection of the pool, or until a new one was open.",
    "All connections used: `clinic_database_connections`.",
    buckets=WAIT_SECONDS,
)
view_rows = shared_gauge(
    "clinic_view_rows",
    "rows",
    ("view", "column", "value"),
    "Rows of the table `view` by the value of a column, where the service said `service.gauge`.",
    "The business.",
)
census_age = gauge(
    "clinic_census_age_seconds",
    "s",
    (),
    "How old the shared figures are: they are read every 10 s, less often when that takes long.",
    DATABASE,
)
spans_exported = counter(
    "clinic_tracing_exported_total", "spans", (), "Spans that the collector took.", "[traces](traces.md)."
)
spans_dropped = counter(
    "clinic_tracing_dropped_total",
    "spans",
    ("reason",),
    "Spans that were lost: `queue_full`, `refused` by the collector, or at `shutdown`.",
    "The collector; `otlp.send_failed` in the log.",
)
build_info = gauge(
    "clinic_build_info",
    "1",
    ("version",),
    "Always 1: which version of the library runs; in an image, the commit that it was built from.",
    "—",
)


def say_version(service: str) -> None:
    """Let `clinic_build_info` name the library that this process runs with."""
    build_info.labels(service, library_version()).set(1)


if __name__ == "__main__":
    print(table(), end="")  # noqa: T201 - it is what the command is for
