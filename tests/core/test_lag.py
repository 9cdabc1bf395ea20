"""How far behind a consumer is, worked out from what it has in hand and what fetches brought along."""

from time import time

from aiokafka import ConsumerRecord, TopicPartition
from prometheus_client import REGISTRY

from clinic_lib.lag import Lag
from tests.core.shop import OrderPlaced
from tests.core.worker import Log

FIRST, SECOND = TopicPartition("shop", 0), TopicPartition("shop", 1)
SERVICE = "lag_of_nobody"


class Behind:
    """A lag with what fetches saw of the log's ends."""

    def __init__(self) -> None:
        self.ends: dict[TopicPartition, int] = {}
        self.lag = Lag(SERVICE, self.ends.get)


def written(seconds_ago: float, offset: int) -> ConsumerRecord:
    log = Log()
    for _ in range(offset):
        next(log.next_offset)
    timestamp = int((time() - seconds_ago) * 1000)
    order = OrderPlaced(order_id=1, seat_id=1, quantity=1)
    return log.append_raw(b"1", order.model_dump_json().encode(), [], timestamp)


def shown(partition: int) -> float | None:
    return REGISTRY.get_sample_value(
        "clinic_consumer_lag_records", {"service": SERVICE, "partition": str(partition)}
    )


def test_one_that_has_handled_all_is_behind_by_nothing() -> None:
    behind = Behind()
    behind.lag.begin(FIRST, 7, 7)

    assert (behind.lag.records(0), behind.lag.seconds()) == (0, 0)
    assert shown(0) == 0


def test_what_a_fetch_saw_counts_although_nothing_was_handed_over_yet() -> None:
    behind = Behind()
    behind.lag.begin(FIRST, 7, 7)

    behind.ends[FIRST] = 10

    assert behind.lag.records(0) == 3
    assert behind.lag.seconds() < 5


def test_a_record_in_hand_is_as_old_as_its_time_says_until_it_is_handled() -> None:
    behind = Behind()
    behind.lag.begin(FIRST, 0, 2)
    polled = {FIRST: [written(100, 0), written(50, 1)]}

    behind.lag.take(polled)
    assert 99 < behind.lag.seconds() < 105
    assert behind.lag.records(0) == 2
    behind.lag.handled(polled)

    assert (behind.lag.records(0), behind.lag.seconds()) == (0, 0)


def test_what_follows_the_last_handled_record_is_no_older_than_it() -> None:
    behind = Behind()
    behind.lag.begin(FIRST, 0, 500)
    polled = {FIRST: [written(100, 0)]}

    behind.lag.take(polled)
    behind.lag.handled(polled)

    assert behind.lag.records(0) == 499
    assert 99 < behind.lag.seconds() < 105


def test_a_poll_that_failed_goes_on_growing_old() -> None:
    behind = Behind()
    behind.lag.begin(FIRST, 0, 1)
    behind.lag.take({FIRST: [written(100, 0)]})

    behind.lag.begin(FIRST, 0, 1)

    assert behind.lag.seconds() > 99


def test_only_partitions_that_the_process_has_are_shown() -> None:
    behind = Behind()
    behind.lag.begin(FIRST, 0, 3)
    behind.lag.begin(SECOND, 0, 4)
    behind.lag.begin(TopicPartition("other", 1), 0, 5)

    assert (shown(0), shown(1)) == (3, 9)
    behind.lag.forget({FIRST, SECOND})

    assert (shown(0), shown(1)) == (None, 5)


def test_a_log_that_was_cut_is_behind_by_nothing() -> None:
    behind = Behind()

    behind.lag.begin(FIRST, 10, 2)

    assert (behind.lag.records(0), behind.lag.seconds()) == (0, 0)
