"""The Prometheus operator's custom resources, as far as they are used here."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from infra.kinds.custom import Custom, Labels

__all__ = [
    "AlertRule",
    "MetricsEndpoint",
    "PodMonitor",
    "PodMonitorSpec",
    "PrometheusRule",
    "PrometheusRuleSpec",
    "RuleGroup",
]

API = "monitoring.coreos.com/v1"


@dataclass(frozen=True)
class MetricsEndpoint:
    port: str
    path: str
    interval: str
    relabelings: Sequence[dict[str, Any]] | None = None


@dataclass(frozen=True)
class PodMonitorSpec:
    selector: dict[str, Any]
    pod_metrics_endpoints: Sequence[MetricsEndpoint]
    namespace_selector: dict[str, Any] | None = None


class PodMonitor(Custom[PodMonitorSpec]):
    """Which pods are asked for metrics, and where."""

    API = API
    KIND = "PodMonitor"


@dataclass(frozen=True)
class AlertRule:
    alert: str
    expr: str
    labels: Labels
    annotations: Labels
    for_: str | None = None


@dataclass(frozen=True)
class RuleGroup:
    name: str
    rules: Sequence[AlertRule]


@dataclass(frozen=True)
class PrometheusRuleSpec:
    groups: Sequence[RuleGroup]


class PrometheusRule(Custom[PrometheusRuleSpec]):
    """When somebody is told."""

    API = API
    KIND = "PrometheusRule"
