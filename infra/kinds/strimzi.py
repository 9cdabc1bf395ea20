"""Strimzi's custom resources, as far as they are used here."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from infra.kinds.custom import Custom

__all__ = [
    "Acl",
    "AclResource",
    "Kafka",
    "KafkaBrokers",
    "KafkaNodePool",
    "KafkaNodePoolSpec",
    "KafkaSpec",
    "KafkaTopic",
    "KafkaTopicSpec",
    "KafkaUser",
    "KafkaUserSpec",
    "Listener",
]

API = "kafka.strimzi.io/v1"
Operation = Literal["Read", "Write", "Describe"]


@dataclass(frozen=True)
class Listener:
    name: str
    port: int
    type: Literal["internal"]
    tls: bool
    authentication: dict[str, str]
    network_policy_peers: Sequence[dict[str, Any]]


@dataclass(frozen=True)
class KafkaBrokers:
    version: str
    listeners: Sequence[Listener]
    authorization: dict[str, str]
    config: Mapping[str, Any]
    metrics_config: dict[str, Any]


@dataclass(frozen=True)
class KafkaSpec:
    kafka: KafkaBrokers
    entity_operator: dict[str, Any]
    kafka_exporter: dict[str, Any]


class Kafka(Custom[KafkaSpec]):
    """The cluster."""

    API = API
    KIND = "Kafka"


@dataclass(frozen=True)
class KafkaNodePoolSpec:
    replicas: int
    roles: Sequence[Literal["controller", "broker"]]
    storage: dict[str, Any]
    resources: dict[str, Any]
    jvm_options: dict[str, str]
    template: dict[str, Any]


class KafkaNodePool(Custom[KafkaNodePoolSpec]):
    """Its nodes."""

    API = API
    KIND = "KafkaNodePool"


@dataclass(frozen=True)
class KafkaTopicSpec:
    partitions: int
    replicas: int
    config: Mapping[str, Any]


class KafkaTopic(Custom[KafkaTopicSpec]):
    """A topic."""

    API = API
    KIND = "KafkaTopic"


@dataclass(frozen=True)
class AclResource:
    type: Literal["topic", "group"]
    name: str
    pattern_type: Literal["literal"] = "literal"


@dataclass(frozen=True)
class Acl:
    resource: AclResource
    operations: Sequence[Operation]
    host: str = "*"


@dataclass(frozen=True)
class KafkaUserSpec:
    authentication: dict[str, Any]
    authorization: dict[str, Any]


class KafkaUser(Custom[KafkaUserSpec]):
    """A service, as Kafka knows it."""

    API = API
    KIND = "KafkaUser"
