"""Kafka: what the brokers say over JMX, by the names of `kafka_metrics.py`, and Strimzi's Kafka Exporter."""

from infra.names import KAFKA_NAMESPACE
from infra.queries.promql import per_second, select, total

__all__ = [
    "authority_ends",
    "broker_cpu",
    "broker_memory",
    "brokers",
    "bytes_per_second",
    "disk_free_share",
    "disk_full_within",
    "gone",
    "group_lag",
    "heap",
    "idle",
    "log_size",
    "messages",
    "offline",
    "request_duration",
    "under_replicated",
]

NAMESPACE = f'namespace="{KAFKA_NAMESPACE}"'
TOPIC = 'topic=~"$topic"'
BROKER = 'container="kafka"'


def brokers() -> str:
    """How many answer."""
    return f"count({select('kafka_server_replicamanager_leadercount', NAMESPACE)})"


def gone() -> str:
    return f"absent({select('kafka_server_replicamanager_leadercount', NAMESPACE)})"


def offline() -> str:
    """Partitions without a leader: the controller that is active knows."""
    return f"max({select('kafka_controller_kafkacontroller_offlinepartitionscount', NAMESPACE)})"


def under_replicated() -> str:
    return total(select("kafka_server_replicamanager_underreplicatedpartitions", NAMESPACE), "pod")


def messages() -> str:
    return total(per_second("kafka_server_brokertopicmetrics_messagesin_total", NAMESPACE, TOPIC), "topic")


def bytes_per_second(direction: str) -> str:
    """`direction` is `in` or `out`."""
    metric = f"kafka_server_brokertopicmetrics_bytes{direction}_total"
    return total(per_second(metric, NAMESPACE, TOPIC), "topic")


def request_duration() -> str:
    """Milliseconds that 99 of 100 requests take at most, as the broker itself says."""
    wanted = ('request=~"Produce|FetchConsumer"', 'quantile="0.99"')
    return f"max by (request) ({select('kafka_network_requestmetrics_totaltimems', NAMESPACE, *wanted)})"


def idle() -> str:
    """The share of time in which request handlers have nothing to do."""
    return f"min by (pod) ({select('kafka_server_kafkarequesthandlerpool_requesthandleravgidle_percent', NAMESPACE)})"


def log_size() -> str:
    return total(select("kafka_log_log_size", NAMESPACE, TOPIC), "topic")


def group_lag() -> str:
    """As Kafka knows it; the services themselves know it better, and these offsets only show."""
    return total(select("kafka_consumergroup_lag", NAMESPACE, TOPIC), "consumergroup")


def heap() -> str:
    return total(select("jvm_memory_used_bytes", NAMESPACE, BROKER, 'area="heap"'), "pod")


def broker_cpu() -> str:
    return total(per_second("container_cpu_usage_seconds_total", NAMESPACE, BROKER), "pod")


def broker_memory() -> str:
    return total(select("container_memory_working_set_bytes", NAMESPACE, BROKER), "pod")


def disk_free_share() -> str:
    free, capacity = (
        select(f"kubelet_volume_stats_{what}_bytes", NAMESPACE) for what in ("available", "capacity")
    )
    return f"{free} / {capacity}"


def disk_full_within(window: str, seconds: float) -> str:
    """Bytes that would be free after `seconds`, were it to go on as in the window: below 0 it is full."""
    free = select("kubelet_volume_stats_available_bytes", NAMESPACE)
    return f"predict_linear({free}[{window}], {seconds:.0f})"


def authority_ends() -> str:
    """Seconds until a certificate authority of the cluster ends; Strimzi's operator says when."""
    end = select("strimzi_certificate_expiration_timestamp_ms")
    return f"{end} / 1000 - time()"
