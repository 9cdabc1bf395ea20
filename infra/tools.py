"""The tools for operators: what is measured, logged and traced, a map of the mesh, and one way in to all."""

from dataclasses import dataclass
from typing import Any

import pulumi
from pulumi_kubernetes.meta.v1 import ObjectMetaArgs
from pulumi_kubernetes.networking import v1 as networking

from infra.box import Box
from infra.charts import Release, ReleaseArgs
from infra.logs import LOKI_NAME, LOKI_PORT, Logs, LogsArgs
from infra.metrics import GRAFANA, GRAFANA_PORT, PROMETHEUS_NAME, PROMETHEUS_PORT, Metrics, MetricsArgs
from infra.names import TOOLS_NAMESPACE
from infra.passwords import Passwords
from infra.settings import Observability
from infra.tracing import TRACES_PAGE, Tracing, TracingArgs
from infra.versions import KIALI, NGINX

__all__ = ["Tools", "ToolsArgs"]

KIALI_NAME = "kiali"
KIALI_PORT = 20001
INGRESS_CLASS = "tools"
PATHS = {
    "/kiali": (KIALI_NAME, KIALI_PORT),
    "/grafana": (GRAFANA, GRAFANA_PORT),
    "/prometheus": (PROMETHEUS_NAME, PROMETHEUS_PORT),
    "/loki": (LOKI_NAME, LOKI_PORT),
}
"""Each tool serves under its path by itself, so that nothing is rewritten."""


@dataclass(frozen=True)
class ToolsArgs:
    settings: Observability
    passwords: Passwords
    disk_class: str | None
    senders: tuple[str, ...]
    """Namespaces that send traces."""
    outside: str
    """The type of Services that are reached from outside."""


class Tools(Box):
    """Prometheus, Grafana, Loki, Jaeger, Kiali, and NGINX before them."""

    def __init__(self, args: ToolsArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("clinic:tools:Tools", "tools", opts)
        child = self.child()
        settings = args.settings
        metrics = Metrics(MetricsArgs(settings, args.passwords, args.disk_class), child)
        self.kinds = metrics.release
        logs = Logs(LogsArgs(settings, args.disk_class), child)
        tracing = Tracing(TracingArgs(settings.exposed.jaeger, settings.operators, args.senders), child)
        kiali = Release(
            "kiali",
            ReleaseArgs(KIALI, TOOLS_NAMESPACE, _kiali(), release_name=KIALI_NAME),
            opts=self.child(metrics, tracing),
        )
        controller = Release(
            "nginx",
            ReleaseArgs(NGINX, TOOLS_NAMESPACE, _nginx(args), release_name="nginx"),
            opts=child,
        )
        networking.Ingress(
            "tools",
            metadata=ObjectMetaArgs(name="tools", namespace=TOOLS_NAMESPACE),
            spec=networking.IngressSpecArgs(
                ingress_class_name=INGRESS_CLASS,
                rules=[
                    networking.IngressRuleArgs(
                        http=networking.HTTPIngressRuleValueArgs(
                            paths=[_path(path, *target) for path, target in PATHS.items()]
                        )
                    )
                ],
            ),
            opts=self.child(controller, kiali, logs, metrics),
        )
        self.register_outputs({"paths": list(PATHS)})


def _path(path: str, service: str, port: int) -> networking.HTTPIngressPathArgs:
    return networking.HTTPIngressPathArgs(
        path=path,
        path_type="Prefix",
        backend=networking.IngressBackendArgs(
            service=networking.IngressServiceBackendArgs(
                name=service, port=networking.ServiceBackendPortArgs(number=port)
            )
        ),
    )


def _kiali() -> dict[str, Any]:
    return {
        "auth": {"strategy": "token"},
        "server": {"web_root": "/kiali", "port": KIALI_PORT},
        "deployment": {
            "instance_name": KIALI_NAME,
            "replicas": 1,
            "resources": {
                "requests": {"cpu": "50m", "memory": "128Mi"},
                "limits": {"cpu": "500m", "memory": "512Mi"},
            },
        },
        "external_services": {
            "prometheus": {"url": f"http://{PROMETHEUS_NAME}:{PROMETHEUS_PORT}/prometheus"},
            "grafana": {"enabled": True, "internal_url": f"http://{GRAFANA}:{GRAFANA_PORT}/grafana"},
            "tracing": {"enabled": True, "internal_url": TRACES_PAGE, "use_grpc": False},
        },
    }


def _nginx(args: ToolsArgs) -> dict[str, Any]:
    """Only the operators' addresses are let in: Prometheus and Loki ask nobody for a password."""
    service: dict[str, Any] = {
        "type": "LoadBalancer",
        "externalTrafficPolicy": "Local",
        "loadBalancerSourceRanges": list(args.settings.operators),
    }
    if args.outside != "LoadBalancer":  # another type lets everybody in
        service = {"type": "ClusterIP"}
    return {
        "controller": {
            "ingressClass": {"name": INGRESS_CLASS, "create": True, "setAsDefaultIngress": False},
            "enableCustomResources": False,
            "allowEmptyIngressHost": True,  # operators come by the address: nobody promised it a name
            "service": service,
            "resources": {
                "requests": {"cpu": "50m", "memory": "128Mi"},
                "limits": {"cpu": "500m", "memory": "256Mi"},
            },
        }
    }
