"""The dashboard of the Kafka cluster of our own."""

from infra.dashboards.board import Board, Row, Variable
from infra.dashboards.panel import Ask, Limit, Panel, figures, graph
from infra.queries import kafka

__all__ = ["board"]


def board() -> Board:
    return Board(
        uid="kafka",
        title="Kafka",
        answers="Does the log take and give events, and how long does its disk last?",
        owner="infra/kafka_watch.py",
        variables=[Variable("topic", "kafka_server_brokertopicmetrics_messagesin_total", "topic")],
        rows=[
            Row("Now", [brokers(), offline(), under_replicated(), authority()]),
            Row("Events", [messages(), traffic(), group_lag()]),
            Row("Brokers", [request_duration(), idle(), cpu(), memory(), disk(), log_size()]),
        ],
    )


def brokers() -> Panel:
    return figures("Brokers", "short", [Ask(kafka.brokers(), "answer")], says="How many answer.")


def offline() -> Panel:
    return figures(
        "Partitions without a leader",
        "short",
        [Ask(kafka.offline(), "offline")],
        says="Their keys stand still.",
        limit=Limit(1),
    )


def under_replicated() -> Panel:
    return figures(
        "Partitions that lack a replica",
        "short",
        [Ask(kafka.under_replicated(), "{{pod}}")],
        says="By the broker that leads them.",
        limit=Limit(1),
    )


def authority() -> Panel:
    return figures(
        "Authorities end in",
        "dtdurations",
        [Ask(kafka.authority_ends(), "{{type}}")],
        says="Strimzi renews each 30 days before.",
    )


def messages() -> Panel:
    return graph("Events", "eps", [Ask(kafka.messages(), "{{topic}}")], says="That the brokers took.")


def traffic() -> Panel:
    return graph(
        "Bytes in and out",
        "binBps",
        [
            Ask(kafka.bytes_per_second("in"), "{{topic}} in"),
            Ask(kafka.bytes_per_second("out"), "{{topic}} out"),
        ],
        says="Every service reads its system's whole topic.",
    )


def group_lag() -> Panel:
    return graph(
        "Lag of the groups",
        "short",
        [Ask(kafka.group_lag(), "{{consumergroup}}")],
        says="By the offsets that Kafka has, which are up to a second old; services start from their own.",
    )


def request_duration() -> Panel:
    return graph(
        "Requests, p99",
        "ms",
        [Ask(kafka.request_duration(), "{{request}}")],
        says="A consumer's fetch waits for events: half a second is normal for it.",
    )


def idle() -> Panel:
    return graph(
        "Request handlers idle",
        "percentunit",
        [Ask(kafka.idle(), "{{pod}}")],
        says="The share of time; under a third the broker is at its end.",
        limit=Limit(0.3, below=True),
    )


def cpu() -> Panel:
    return graph("CPU", "short", [Ask(kafka.broker_cpu(), "{{pod}}")], says="In cores.")


def memory() -> Panel:
    return graph(
        "Memory and heap",
        "bytes",
        [Ask(kafka.broker_memory(), "{{pod}}"), Ask(kafka.heap(), "{{pod}} heap")],
        says="What is no heap is mostly the page cache.",
    )


def disk() -> Panel:
    return graph(
        "Disk that is free",
        "percentunit",
        [Ask(kafka.disk_free_share(), "{{persistentvolumeclaim}}")],
        says="The log is kept for ever: this only falls.",
        limit=Limit(0.2, below=True),
    )


def log_size() -> Panel:
    return graph("Log", "bytes", [Ask(kafka.log_size(), "{{topic}}")], says="By topic, with all replicas.")
