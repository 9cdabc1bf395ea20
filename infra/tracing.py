"""Traces: Jaeger, in memory, with an external address where the settings say so."""

from dataclasses import dataclass

import pulumi
from pulumi_kubernetes import apps, core, networking
from pulumi_kubernetes.meta.v1 import LabelSelectorArgs, ObjectMetaArgs

from infra.box import Box
from infra.names import APP_USER, TOOLS_NAMESPACE
from infra.network_rules import addresses, incoming, namespace, tcp
from infra.versions import JAEGER_IMAGE

__all__ = [
    "SAMPLED_PERCENT",
    "TRACES_HOST",
    "TRACES_HTTP_PORT",
    "TRACES_PAGE",
    "TRACES_PORT",
    "Tracing",
    "TracingArgs",
]

NAME = "jaeger"
LABELS = {"app": NAME, "app.kubernetes.io/name": NAME, "app.kubernetes.io/managed-by": "pulumi"}
SELECTOR = {"app": NAME}
QUERY_PORT = 16686
TRACES_PORT = 4317
TRACES_HTTP_PORT = 4318
SAMPLED_PERCENT = 10
"""Of the traces that begin at an entrance or in a service; the others follow who called them."""
HEALTH_PORT = 13133
TRACES_HOST = f"{NAME}-collector.{TOOLS_NAMESPACE}.svc.cluster.local"
TRACES_PAGE = f"http://{NAME}-query:{QUERY_PORT}"
"""For the tools beside it."""


@dataclass(frozen=True)
class TracingArgs:
    """`operators` reach it from outside when it is `exposed`; `senders` are the namespaces that send traces."""

    exposed: bool
    operators: tuple[str, ...]
    senders: tuple[str, ...]


class Tracing(Box):
    """Jaeger's collector and its page."""

    def __init__(self, args: TracingArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("clinic:tools:Tracing", NAME, opts)
        child = self.child()
        deployment = apps.v1.Deployment(
            NAME,
            metadata=_metadata(NAME),
            spec=apps.v1.DeploymentSpecArgs(
                replicas=1,  # its store is its own memory
                selector=LabelSelectorArgs(match_labels=SELECTOR),
                template=core.v1.PodTemplateSpecArgs(metadata=ObjectMetaArgs(labels=LABELS), spec=_pod()),
            ),
            opts=child,
        )
        core.v1.Service(
            f"{NAME}-collector",
            metadata=_metadata(f"{NAME}-collector"),
            spec=core.v1.ServiceSpecArgs(
                selector=SELECTOR,
                ports=[
                    core.v1.ServicePortArgs(
                        name="grpc-otlp", port=TRACES_PORT, target_port="otlp-grpc", app_protocol="grpc"
                    ),
                    core.v1.ServicePortArgs(
                        name="http-otlp", port=TRACES_HTTP_PORT, target_port="otlp-http", app_protocol="http"
                    ),
                ],
            ),
            opts=child,
        )
        core.v1.Service(
            f"{NAME}-query",
            metadata=_metadata(f"{NAME}-query"),
            spec=core.v1.ServiceSpecArgs(
                type="LoadBalancer" if args.exposed else "ClusterIP",
                load_balancer_source_ranges=list(args.operators) if args.exposed else None,
                external_traffic_policy="Local" if args.exposed else None,
                selector=SELECTOR,
                ports=[
                    core.v1.ServicePortArgs(
                        name="http-query", port=QUERY_PORT, target_port="query", app_protocol="http"
                    )
                ],
            ),
            opts=child,
        )
        networking.v1.NetworkPolicy(NAME, metadata=_metadata(NAME), spec=_network_rules(args), opts=child)
        self.register_outputs({"deployment": deployment.metadata.name})


def _metadata(name: str) -> ObjectMetaArgs:
    return ObjectMetaArgs(name=name, namespace=TOOLS_NAMESPACE, labels=LABELS)


def _pod() -> core.v1.PodSpecArgs:
    def probe(delay: int, period: int) -> core.v1.ProbeArgs:
        return core.v1.ProbeArgs(
            http_get=core.v1.HTTPGetActionArgs(path="/status", port="health"),
            initial_delay_seconds=delay,
            period_seconds=period,
        )

    ports = {
        "query": QUERY_PORT,
        "otlp-grpc": TRACES_PORT,
        "otlp-http": TRACES_HTTP_PORT,
        "health": HEALTH_PORT,
    }
    return core.v1.PodSpecArgs(
        automount_service_account_token=False,
        containers=[
            core.v1.ContainerArgs(
                name=NAME,
                image=JAEGER_IMAGE,
                image_pull_policy="Always",
                ports=[
                    core.v1.ContainerPortArgs(name=name, container_port=port) for name, port in ports.items()
                ],
                readiness_probe=probe(2, 5),
                liveness_probe=probe(15, 15),
                resources=core.v1.ResourceRequirementsArgs(
                    requests={"cpu": "50m", "memory": "256Mi"}, limits={"cpu": "500m", "memory": "512Mi"}
                ),
                security_context=core.v1.SecurityContextArgs(
                    allow_privilege_escalation=False,
                    read_only_root_filesystem=True,
                    capabilities=core.v1.CapabilitiesArgs(drop=["ALL"]),
                ),
            )
        ],
        security_context=core.v1.PodSecurityContextArgs(
            run_as_non_root=True,
            run_as_user=APP_USER,
            run_as_group=APP_USER,
            seccomp_profile=core.v1.SeccompProfileArgs(type="RuntimeDefault"),
        ),
    )


def _network_rules(args: TracingArgs) -> networking.v1.NetworkPolicySpecArgs:
    outside = [addresses(cidr) for cidr in (args.operators if args.exposed else ())]
    senders = [namespace(name) for name in (*args.senders, TOOLS_NAMESPACE)]
    return networking.v1.NetworkPolicySpecArgs(
        pod_selector=LabelSelectorArgs(match_labels=SELECTOR),
        policy_types=["Ingress", "Egress"],
        ingress=[
            incoming(tcp(TRACES_PORT, TRACES_HTTP_PORT), *senders),
            incoming(tcp(QUERY_PORT), namespace(TOOLS_NAMESPACE), *outside),
        ],
        egress=[],
    )
