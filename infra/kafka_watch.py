"""How Kafka is watched: brokers, Kafka Exporter and Strimzi's operator are scraped; a dashboard, and alerts."""

import pulumi

from infra.alerts import kafka as kafka_alerts
from infra.box import Box
from infra.dashboards import kafka as kafka_dashboard
from infra.insight import InsightArgs, ship
from infra.kinds.prometheus import MetricsEndpoint, PodMonitor, PodMonitorSpec
from infra.names import KAFKA_CLUSTER, KAFKA_NAMESPACE

__all__ = ["KafkaWatch"]

SCRAPE_INTERVAL = "30s"
SCRAPED = {
    # brokers and Kafka Exporter are both parts of the resource of kind Kafka, and call their port the same
    "brokers": ({"strimzi.io/cluster": KAFKA_CLUSTER, "strimzi.io/kind": "Kafka"}, "tcp-prometheus"),
    "operator": ({"strimzi.io/kind": "cluster-operator"}, "http"),
}


class KafkaWatch(Box):
    """Apart from the cluster, which does not wait for Prometheus."""

    def __init__(self, runbooks: str, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("clinic:kafka:Watch", "kafka-watch", opts)
        child = self.child()
        for name, (labels, port) in SCRAPED.items():
            PodMonitor(
                name,
                PodMonitorSpec(
                    selector={"matchLabels": labels},
                    pod_metrics_endpoints=[
                        MetricsEndpoint(port=port, path="/metrics", interval=SCRAPE_INTERVAL)
                    ],
                ),
                namespace=KAFKA_NAMESPACE,
                opts=child,
            )
        ship(
            InsightArgs(
                "kafka",
                KAFKA_NAMESPACE,
                runbooks,
                boards=[kafka_dashboard.board()],
                alerts=kafka_alerts.alerts(),
            ),
            child,
        )
        self.register_outputs({})
