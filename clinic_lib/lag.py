"""The lag: how far one process is behind the end of the partitions that it has.

Nothing is asked of Kafka for it: a fetch brings the end of the log along. It is worked out when Prometheus asks,
so it grows while the process can do nothing but wait.
"""

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from time import time

from aiokafka import ConsumerRecord, TopicPartition

from clinic_lib import metrics

__all__ = ["Lag"]

LastEnd = Callable[[TopicPartition], int | None]
"""The end of a partition as the last fetch saw it."""


@dataclass(slots=True)
class _Place:
    """Where a partition stands: the offset to be handled next, the end, and when the record there was written;
    of a record that was not seen yet, when it can have been written at the earliest.
    """

    next: int
    end: int
    since: float

    @property
    def behind(self) -> int:
        return max(0, self.end - self.next)


class Lag:
    """One consumer's lag, over all its partitions."""

    def __init__(self, service: str, last_end: LastEnd) -> None:
        self._service = service
        self._last_end = last_end
        self._places: dict[TopicPartition, _Place] = {}
        metrics.consumer_lag_seconds.labels(service).set_function(self.seconds)

    def begin(self, partition: TopicPartition, offset: int, end: int) -> None:
        """A partition goes on at `offset`; one that only goes back there has waited since before."""
        known = self._places.get(partition)
        since = known.since if known and known.next == offset else time()
        self._places[partition] = _Place(offset, end, since)
        number = partition.partition
        metrics.consumer_lag.labels(self._service, number).set_function(partial(self.records, number))

    def take(self, polled: Mapping[TopicPartition, Sequence[ConsumerRecord]]) -> None:
        """These are in hand."""
        for partition, records in polled.items():
            if place := self._places.get(partition):
                place.since = min(time(), records[0].timestamp / 1000)
                place.end = max(place.end, records[-1].offset + 1)

    def handled(self, polled: Mapping[TopicPartition, Sequence[ConsumerRecord]]) -> None:
        """These are done; what follows was written no earlier than the last of them."""
        for partition, records in polled.items():
            if place := self._places.get(partition):
                place.next, place.since = records[-1].offset + 1, records[-1].timestamp / 1000

    def forget(self, partitions: Collection[TopicPartition]) -> None:
        """Another process has them now, and tells their lag."""
        for each in partitions:
            self._places.pop(each, None)
        left = {each.partition for each in self._places}
        for number in {each.partition for each in partitions} - left:
            metrics.consumer_lag.remove(self._service, number)

    def keep(self, partitions: Collection[TopicPartition]) -> None:
        """All others are another process's now."""
        self.forget(self._places.keys() - set(partitions))

    def records(self, number: int) -> int:
        """Over the topics that have a partition of this number."""
        self._look()
        return sum(place.behind for each, place in self._places.items() if each.partition == number)

    def seconds(self) -> float:
        self._look()
        now = time()
        return max((now - place.since for place in self._places.values() if place.behind), default=0.0)

    def _look(self) -> None:
        for partition, place in self._places.items():
            place.end = max(place.end, self._last_end(partition) or 0)
            if not place.behind:
                place.since = time()
