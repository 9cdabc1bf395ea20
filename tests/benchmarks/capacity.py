"""What a cluster needs for a rate of sagas: computed from what one process was measured to take.

Kafka's partitions and a service's processes scale out by themselves; a service's database is one server, so beyond its
commits and its CPU a service has to be divided into shards, each with a database of its own, by the saga's key.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from math import ceil
from typing import Any

from tests.benchmarks.rates import middle

__all__ = ["Need", "Prices", "need"]

HEADROOM = 0.6
"""Share of a core or a server that is planned to be used: peaks, failures and vacuum need the rest."""
WAL_BYTES_PER_SECOND = 150e6
"""Write-ahead log that one database server is planned for: a convention, below what disks and a standby can take."""
SERVICES = 3
CORES_PER_SERVER = 16
EVENTS_PER_SAGA = 3
PARTITION_EVENTS_PER_SECOND = 10_000
"""What one consumer can read from one partition with room to spare; beyond the measured, a convention."""


@dataclass(frozen=True)
class Prices:
    """Of a month, in dollars: what docs/costs.md takes for a core with its memory, and for storage."""

    core: float = 35.0
    database_core: float = 65.0
    gigabyte: float = 0.12


@dataclass(frozen=True)
class Need:
    """What it takes, with the figures that it was computed from."""

    sagas_per_second: float
    service_cores: int
    database_cores: int
    shards: int
    wal_megabytes_per_second: float
    broker_cores: int
    partitions: int
    gigabytes_a_day: float
    dollars_a_month: float


def need(rate: float, results: Mapping[str, Any], prices: Prices | None = None) -> Need:
    """For `rate` sagas a second, by the stored results of the head-to-head, of which a run has to count.

    CPU is taken as proportional to the rate, which is what the sweep over processes is to show.
    """
    prices = prices or Prices()
    found = results["head_to_head"]["found"]["product"]
    service_cores, database_cores, broker_cores = (
        ceil(rate * middle(found, name) * 1e-6 / HEADROOM) for name in ("cpu", "postgresql_cpu", "kafka_cpu")
    )
    wal_bytes_per_second = rate * middle(found, "wal_bytes")
    gigabytes_a_day = rate * 86_400 * middle(found, "kafka_bytes") / 1e9
    return Need(
        sagas_per_second=rate,
        service_cores=service_cores,
        database_cores=database_cores,
        shards=max(
            ceil(database_cores / SERVICES / CORES_PER_SERVER),
            ceil(wal_bytes_per_second / SERVICES / WAL_BYTES_PER_SECOND),
        ),
        wal_megabytes_per_second=wal_bytes_per_second / 1e6,
        broker_cores=broker_cores,
        partitions=max(service_cores, ceil(rate * EVENTS_PER_SAGA / PARTITION_EVENTS_PER_SECOND)),
        gigabytes_a_day=gigabytes_a_day,
        dollars_a_month=(service_cores + broker_cores) * prices.core
        + database_cores * prices.database_core
        + gigabytes_a_day * 30 * prices.gigabyte,
    )
