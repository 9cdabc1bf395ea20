"""How a service is watched: its metrics are scraped, and its objective is an alert."""

from dataclasses import dataclass

import pulumi

from infra.box import Box
from infra.kinds.prometheus import (
    Alert,
    MetricsEndpoint,
    PodMonitor,
    PodMonitorSpec,
    PrometheusRule,
    PrometheusRuleSpec,
    RuleGroup,
)
from infra.pod import labels_of, selector_of
from infra.systems import Objective, Service, System

__all__ = ["Watch", "WatchArgs"]

SCRAPE_INTERVAL = "15s"


@dataclass(frozen=True)
class WatchArgs:
    system: System
    service: Service


class Watch(Box):
    """A PodMonitor and the alerts of the objective."""

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
        if service.objective is not None:
            PrometheusRule(
                service.kubernetes_name,
                PrometheusRuleSpec(groups=[RuleGroup(f"{service.name}.objective", _alerts(args))]),
                namespace=system.namespace,
                labels=labels,
                opts=child,
            )
        self.register_outputs({})


def _alerts(args: WatchArgs) -> list[Alert]:
    objective = args.service.objective
    assert objective is not None
    pods = f'namespace="{args.system.namespace}",pod=~"{args.service.kubernetes_name}-.*"'
    return [
        Alert(
            alert="ErrorBudgetBurnsFast",
            expr=_burns(pods, objective, times=14.4),
            for_="2m",
            labels={"severity": "page", "service": args.service.name},
            annotations={
                "summary": f"{args.service.name} answers too many 5xx: "
                f"its month's budget ({objective.availability_percent} %) would be gone in two days"
            },
        ),
        Alert(
            alert="Slow",
            expr=f"histogram_quantile(0.99, sum by (le) (rate(clinic_http_request_seconds_bucket{{{pods}}}[5m])))"
            f" > {objective.seconds_p99}",
            for_="10m",
            labels={"severity": "ticket", "service": args.service.name},
            annotations={
                "summary": f"one in a hundred requests to {args.service.name} takes over "
                f"{objective.seconds_p99} s"
            },
        ),
    ]


def _burns(pods: str, objective: Objective, *, times: float) -> str:
    """Over an hour and, so that it ends when the trouble does, over five minutes. Source: sre.google/workbook."""
    bound = times * (1 - objective.availability_percent / 100)

    def share(window: str) -> str:
        requests = "clinic_http_requests_total"
        return f'sum(rate({requests}{{{pods},status=~"5.."}}[{window}])) / sum(rate({requests}{{{pods}}}[{window}]))'

    return f"{share('1h')} > {bound:.6f} and {share('5m')} > {bound:.6f}"
