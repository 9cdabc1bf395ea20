"""The log: topics as Kafka keeps them, as far as order is concerned."""

from collections.abc import Sequence
from dataclasses import dataclass
from uuid import UUID

from clinic_lib.outbox import OutboxRow

__all__ = ["Log", "Record", "log_name"]


@dataclass(frozen=True, slots=True)
class Record:
    """A record as a consumer gets it."""

    topic: str
    partition: int
    offset: int
    key: bytes
    headers: Sequence[tuple[str, bytes | None]]
    value: bytes
    type: str
    message_id: UUID

    @property
    def subject(self) -> str:
        return self.key.decode()


class Log:
    """All records in the order in which they were published. `by_key`: each key has a partition of its own, so that
    those of different keys have no order; otherwise all have one.
    """

    def __init__(self) -> None:
        self.by_key = False
        self.records: list[Record] = []
        self._partitions: dict[tuple[str, int], list[Record]] = {}
        self._numbers: dict[tuple[str, str], int] = {}

    def append(self, row: OutboxRow) -> Record:
        """Publish an event, also one that is there already."""
        headers = (("type", row.type.encode()), ("id", row.message_id.bytes))
        partition = self._partition(row.topic, row.aggregateid)
        records = self._partitions.setdefault((row.topic, partition), [])
        record = Record(
            row.topic,
            partition,
            len(records),
            row.aggregateid.encode(),
            headers,
            row.payload,
            row.type,
            row.message_id,
        )
        records.append(record)
        self.records.append(record)
        return record

    def partitions(self, topics: Sequence[str]) -> list[tuple[str, int]]:
        return [each for each in self._partitions if each[0] in topics]

    def behind(self, topic: str, partition: int, offset: int) -> Sequence[Record]:
        """The records of a partition from `offset` on."""
        return self._partitions[topic, partition][offset:]

    def _partition(self, topic: str, key: str) -> int:
        return self._numbers.setdefault((topic, key), len(self._numbers)) if self.by_key else 0


def log_name(topic: str) -> str:
    """What a topic is called in checkpoints."""
    return f"simulation/{topic}"
