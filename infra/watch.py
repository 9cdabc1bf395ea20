"""How a service is watched: its metrics are scraped, it has a dashboard, and its objective is its alerts."""

from dataclasses import dataclass

import pulumi

from infra.alerts import objective
from infra.box import Box
from infra.dashboards import service as service_dashboard
from infra.insight import InsightArgs, ship
from infra.kinds.prometheus import MetricsEndpoint, PodMonitor, PodMonitorSpec
from infra.pod import labels_of, selector_of
from infra.systems import Service, System

__all__ = ["Watch", "WatchArgs"]

SCRAPE_INTERVAL = "15s"


@dataclass(frozen=True)
class WatchArgs:
    system: System
    service: Service
    runbooks: str


class Watch(Box):
    """A PodMonitor, a dashboard and the alerts of the objective."""

    def __init__(self, args: WatchArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        system, service = args.system, args.service
        super().__init__("clinic:workload:Watch", f"{system.namespace}-{service.kubernetes_name}-watch", opts)
        child = self.child()
        labels = labels_of(service, system.name)
        PodMonitor(
            service.kubernetes_name,
            PodMonitorSpec(
                selector={"matchLabels": selector_of(service)},
                pod_metrics_endpoints=[
                    MetricsEndpoint(port="admin", path="/metrics", interval=SCRAPE_INTERVAL)
                ],
            ),
            namespace=system.namespace,
            labels=labels,
            opts=child,
        )
        ship(
            InsightArgs(
                service.kubernetes_name,
                system.namespace,
                args.runbooks,
                boards=[service_dashboard.board(system, service)],
                alerts=objective.alerts(service),
                labels=labels,
            ),
            child,
        )
        self.register_outputs({})
