"""Metrics: Prometheus, Alertmanager and Grafana, and what is scraped of the mesh."""

from dataclasses import dataclass
from typing import Any

import pulumi
from pulumi_kubernetes import core
from pulumi_kubernetes.meta.v1 import ObjectMetaArgs

from infra.alert_routes import alertmanager_values
from infra.alerts import mesh as mesh_alerts
from infra.box import Box
from infra.charts import Release, ReleaseArgs
from infra.dashboards import mesh as mesh_dashboard
from infra.dashboards.board import JAEGER, LOKI
from infra.insight import DASHBOARD_LABEL, FOLDER_ANNOTATION, InsightArgs, ship
from infra.kinds.prometheus import MetricsEndpoint, PodMonitor, PodMonitorSpec
from infra.logs import LOKI_URL
from infra.names import TOOLS_NAMESPACE
from infra.passwords import Passwords
from infra.settings import Observability
from infra.tracing import TRACES_PAGE
from infra.values import mebibytes
from infra.versions import PROMETHEUS

__all__ = ["GRAFANA", "GRAFANA_PORT", "PROMETHEUS_NAME", "PROMETHEUS_PORT", "Metrics", "MetricsArgs"]

STACK = "monitoring"
PROMETHEUS_NAME = f"{STACK}-prometheus"
PROMETHEUS_PORT = 9090
GRAFANA = "grafana"
GRAFANA_PORT = 3000
SCRAPE_INTERVAL = "15s"
FULL_PERCENT = 85
"""Of its disk that Prometheus takes, whatever the days: the oldest goes first, and compaction needs room beside it.
Its MB are of 1024 * 1024 bytes.
"""


@dataclass(frozen=True)
class MetricsArgs:
    settings: Observability
    passwords: Passwords
    disk_class: str | None


class Metrics(Box):
    """`release` brings the kinds PodMonitor and PrometheusRule: who uses them depends on it."""

    def __init__(self, args: MetricsArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("clinic:tools:Metrics", "metrics", opts)
        account = core.v1.Secret(
            "grafana-account",
            metadata=ObjectMetaArgs(namespace=TOOLS_NAMESPACE),
            type="Opaque",
            string_data={"admin-user": "admin", "admin-password": args.passwords.grafana},
            opts=self.child(),
        )
        webhooks = {
            severity: core.v1.Secret(
                f"alert-webhook-{severity}",
                metadata=ObjectMetaArgs(namespace=TOOLS_NAMESPACE),
                type="Opaque",
                string_data={"url": url},
                opts=self.child(),
            )
            for severity, url in args.passwords.alert_webhooks.items()
        }
        self.release = Release(
            "prometheus",
            ReleaseArgs(
                PROMETHEUS,
                TOOLS_NAMESPACE,
                {
                    "fullnameOverride": STACK,
                    **_out_of_reach(),
                    "prometheus": _prometheus(args),
                    "grafana": _grafana(args, account.metadata.name.apply(str)),
                    "alertmanager": alertmanager_values(
                        {name: secret.metadata.name.apply(str) for name, secret in webhooks.items()},
                        _resources("50m", "64Mi", "256Mi"),
                    ),
                },
                release_name="prometheus",
            ),
            opts=self.child(account, *webhooks.values()),
        )
        after = self.child(self.release)
        PodMonitor(
            "sidecars",
            PodMonitorSpec(
                selector={
                    "matchExpressions": [{"key": "istio-prometheus-ignore", "operator": "DoesNotExist"}]
                },
                namespace_selector={"any": True},
                pod_metrics_endpoints=[
                    MetricsEndpoint(
                        port="http-envoy-prom",
                        path="/stats/prometheus",
                        interval=SCRAPE_INTERVAL,
                        relabelings=[
                            {
                                "action": "keep",
                                "sourceLabels": ["__meta_kubernetes_pod_container_name"],
                                "regex": "istio-proxy",
                            }
                        ],
                    )
                ],
            ),
            namespace=TOOLS_NAMESPACE,
            opts=after,
        )
        PodMonitor(
            "istiod",
            PodMonitorSpec(
                selector={"matchLabels": {"app": "istiod"}},
                pod_metrics_endpoints=[
                    MetricsEndpoint(port="http-monitoring", path="/metrics", interval="30s")
                ],
            ),
            namespace=TOOLS_NAMESPACE,
            opts=after,
        )
        ship(
            InsightArgs(
                "mesh",
                TOOLS_NAMESPACE,
                args.settings.runbooks,
                boards=[mesh_dashboard.board()],
                alerts=mesh_alerts.alerts(),
            ),
            after,
        )
        self.register_outputs({"prometheus": PROMETHEUS_NAME})


def _out_of_reach() -> dict[str, Any]:
    """AKS keeps these to itself, others bind them to the node alone: their alerts would never end."""
    parts = ("kubeEtcd", "kubeScheduler", "kubeControllerManager", "kubeProxy")
    rules = ("etcd", "kubeControllerManager", "kubeProxy", "kubeSchedulerAlerting", "kubeSchedulerRecording")
    return {
        **{part: {"enabled": False} for part in parts},
        "defaultRules": {"rules": dict.fromkeys(rules, False)},
    }


def _resources(cpu: str, memory: str, memory_limit: str) -> dict[str, Any]:
    return {"requests": {"cpu": cpu, "memory": memory}, "limits": {"cpu": "1", "memory": memory_limit}}


def _service(settings: Observability, *, port: int, exposed: bool) -> dict[str, Any]:
    if not exposed:
        return {"type": "ClusterIP", "port": port}
    return {"type": "LoadBalancer", "port": port, "loadBalancerSourceRanges": list(settings.operators)}


def _prometheus(args: MetricsArgs) -> dict[str, Any]:
    """Rules and monitors of every namespace count, whoever made them."""
    settings = args.settings
    everything = {
        f"{kind}SelectorNilUsesHelmValues": False
        for kind in ("podMonitor", "serviceMonitor", "rule", "probe", "scrapeConfig")
    }
    claim: dict[str, Any] = {
        "accessModes": ["ReadWriteOnce"],
        "resources": {"requests": {"storage": settings.metric_storage}},
    }
    if args.disk_class:
        claim["storageClassName"] = args.disk_class
    return {
        "service": _service(settings, port=PROMETHEUS_PORT, exposed=settings.exposed.prometheus),
        "prometheusSpec": {
            **everything,
            "retention": f"{settings.metric_days}d",
            "retentionSize": f"{mebibytes(settings.metric_storage) * FULL_PERCENT // 100}MB",
            "scrapeInterval": SCRAPE_INTERVAL,
            "enableFeatures": ["exemplar-storage"],
            "routePrefix": "/prometheus",
            "externalUrl": f"http://{PROMETHEUS_NAME}:{PROMETHEUS_PORT}/prometheus",
            "resources": _resources("200m", "1Gi", "2Gi"),
            "storageSpec": {"volumeClaimTemplate": {"spec": claim}},
        },
    }


def _grafana(args: MetricsArgs, account: pulumi.Output[str]) -> dict[str, Any]:
    """Dashboards are the ConfigMaps of any namespace labelled `grafana_dashboard: "1"`."""
    sources = [
        {"name": "Loki", "uid": LOKI, "type": "loki", "url": LOKI_URL, "access": "proxy"},
        {"name": "Jaeger", "uid": JAEGER, "type": "jaeger", "url": TRACES_PAGE, "access": "proxy"},
    ]
    return {
        "fullnameOverride": GRAFANA,
        "service": _service(args.settings, port=GRAFANA_PORT, exposed=args.settings.exposed.grafana),
        "admin": {
            "existingSecret": account,
            "userKey": "admin-user",
            "passwordKey": "admin-password",
        },
        "grafana.ini": {
            "server": {"root_url": "%(protocol)s://%(domain)s/grafana/", "serve_from_sub_path": True},
            "analytics": {"reporting_enabled": False, "check_for_updates": False},
        },
        "sidecar": {
            "dashboards": {
                "enabled": True,
                "label": DASHBOARD_LABEL,
                "searchNamespace": "ALL",
                "folderAnnotation": FOLDER_ANNOTATION,
                "provider": {"foldersFromFilesStructure": True},
            },
            "datasources": {
                "exemplarTraceIdDestinations": {"datasourceUid": JAEGER, "traceIdLabelName": "trace_id"}
            },
        },
        "additionalDataSources": sources,
        "resources": _resources("100m", "192Mi", "384Mi"),
    }
