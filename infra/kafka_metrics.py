"""What the brokers export: which of Kafka's JMX values, and under which names.

The names are those that Strimzi's own examples give them, so that other people's dashboards fit, too.
"""

from typing import Any

import pulumi
import yaml
from pulumi_kubernetes import core
from pulumi_kubernetes.meta.v1 import ObjectMetaArgs

from infra.names import KAFKA_NAMESPACE

__all__ = ["exported_rules", "kafka_metrics"]

NAME = "kafka-metrics"
KEY = "rules.yaml"


def kafka_metrics(opts: pulumi.ResourceOptions) -> tuple[core.v1.ConfigMap, dict[str, Any]]:
    """The ConfigMap, and the cluster's `metricsConfig`, which the operator refuses before the ConfigMap is there."""
    rules = core.v1.ConfigMap(
        NAME,
        metadata=ObjectMetaArgs(name=NAME, namespace=KAFKA_NAMESPACE),
        data={KEY: yaml.safe_dump(exported_rules(), sort_keys=False)},
        opts=opts,
    )
    return rules, {
        "type": "jmxPrometheusExporter",
        "valueFrom": {"configMapKeyRef": {"name": NAME, "key": KEY}},
    }


def exported_rules() -> dict[str, Any]:
    """For the JMX exporter: what no rule matches is not exported, which saves thousands of series."""
    return {
        "lowercaseOutputName": True,
        "rules": [
            _rule(r"kafka.server<type=ReplicaManager, name=(\w+)><>Value", "kafka_server_replicamanager_$1"),
            _rule(
                r"kafka.controller<type=KafkaController, name=(\w+)><>Value",
                "kafka_controller_kafkacontroller_$1",
            ),
            _rule(
                r"kafka.server<type=BrokerTopicMetrics, name=(\w+)PerSec, topic=(.+)><>Count",
                "kafka_server_brokertopicmetrics_$1_total",
                kind="COUNTER",
                topic="$2",
            ),
            _rule(
                r"kafka.network<type=RequestMetrics, name=TotalTimeMs, request=(\w+)><>(\d+)thPercentile",
                "kafka_network_requestmetrics_totaltimems",
                request="$1",
                quantile="0.$2",
            ),
            _rule(
                r"kafka.server<type=KafkaRequestHandlerPool, name=RequestHandlerAvgIdlePercent><>OneMinuteRate",
                "kafka_server_kafkarequesthandlerpool_requesthandleravgidle_percent",
            ),
            _rule(
                r"kafka.log<type=Log, name=Size, topic=(.+), partition=(.+)><>Value",
                "kafka_log_log_size",
                topic="$1",
                partition="$2",
            ),
        ],
    }


def _rule(pattern: str, name: str, *, kind: str = "GAUGE", **labels: str) -> dict[str, Any]:
    rule: dict[str, Any] = {"pattern": pattern, "name": name, "type": kind}
    return rule | ({"labels": labels} if labels else {})
