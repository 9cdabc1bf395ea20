"""Alerts on the Kafka cluster of our own."""

from infra.alerts.alert import Alert
from infra.alerts.pace import DAY, HOUR, MINUTE, REAL, Pace
from infra.queries import kafka

__all__ = ["AUTHORITY_DAYS", "DISK_DAYS", "alerts"]

DISK_DAYS = 7
AUTHORITY_DAYS = 20
"""Strimzi renews an authority 30 days before its end: with less, it has failed to."""


def alerts(pace: Pace = REAL) -> list[Alert]:
    return [*_of_brokers(), *_of_limits(pace)]


def _of_brokers() -> list[Alert]:
    return [
        Alert(
            "KafkaDown",
            kafka.gone(),
            "page",
            "no Kafka broker answers",
            "Services take commands and answer queries; no event gets from one to another.",
            board="kafka",
            lasts=2 * MINUTE,
        ),
        Alert(
            "KafkaPartitionsOffline",
            f"{kafka.offline()} > 0",
            "page",
            "{{ $value }} partitions have no leader",
            "What belongs to their keys stands still, the rest flows.",
            board="kafka",
            lasts=MINUTE,
        ),
        Alert(
            "KafkaUnderReplicated",
            f"{kafka.under_replicated()} > 0",
            "ticket",
            "{{ $value }} partitions that {{ $labels.pod }} leads lack a replica",
            "One more broker lost, and they take no events.",
            board="kafka",
            lasts=10 * MINUTE,
        ),
    ]


def _of_limits(pace: Pace) -> list[Alert]:
    """The log is kept for ever, so its disk fills by design: the time to enlarge it is known early."""
    horizon = pace.seconds(DISK_DAYS * DAY)
    return [
        Alert(
            "KafkaDiskFills",
            f"{kafka.disk_full_within(pace.span(6 * HOUR), horizon)} < 0",
            "ticket",
            f"Kafka's disk {{{{ $labels.persistentvolumeclaim }}}} is full within {DISK_DAYS} days",
            "At the pace of the last six hours. The log is never shortened: enlarge the disk.",
            board="kafka",
            lasts=HOUR,
        ),
        Alert(
            "KafkaAuthorityEnds",
            f"{kafka.authority_ends()} < {pace.seconds(AUTHORITY_DAYS * DAY):.0f}",
            "ticket",
            "Kafka's {{ $labels.type }} ends in {{ $value | humanizeDuration }}",
            "Strimzi should have renewed it ten days ago.",
            board="kafka",
            lasts=HOUR,
        ),
    ]
