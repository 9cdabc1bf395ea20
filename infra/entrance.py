"""A system's entrance: an Istio gateway on 8080 with an external address, and where it sends each path."""

from dataclasses import dataclass

import pulumi
from pulumi_kubernetes.meta.v1 import LabelSelectorArgs, ObjectMetaArgs
from pulumi_kubernetes.networking import v1 as networking

from infra.box import Box
from infra.charts import Release, ReleaseArgs
from infra.kinds.istio import (
    Gateway,
    GatewayServer,
    GatewaySpec,
    HttpRoute,
    Port,
    VirtualService,
    VirtualServiceSpec,
)
from infra.names import MESH_NAMESPACE, TOOLS_NAMESPACE, namespace_label
from infra.pod import selector_of
from infra.systems import PUBLIC_PORT, System
from infra.traffic import host_of, routes_to
from infra.versions import ISTIO_GATEWAY

__all__ = ["Entrance", "EntranceArgs"]

NAME = "entrance"
LABELS = {"app": NAME, "istio": NAME}
HEALTH_PORT = 15021


@dataclass(frozen=True)
class EntranceArgs:
    system: System


class Entrance(Box):
    """Each service's prefix goes straight to it, everything else to the gateway service."""

    def __init__(self, args: EntranceArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        system = args.system
        super().__init__("clinic:system:Entrance", f"{system.namespace}-{NAME}", opts)
        child = self.child()
        release = Release(
            f"{system.namespace}-{NAME}",
            ReleaseArgs(ISTIO_GATEWAY, system.namespace, _values(), release_name=NAME),
            opts=child,
        )
        Gateway(
            NAME,
            GatewaySpec(
                selector=LABELS,
                servers=[GatewayServer(Port(PUBLIC_PORT, "http", "HTTP"), hosts=["*"])],
            ),
            namespace=system.namespace,
            opts=child,
        )
        VirtualService(
            NAME,
            VirtualServiceSpec(hosts=["*"], gateways=[NAME], http=_routes(system)),
            namespace=system.namespace,
            opts=child,
        )
        networking.NetworkPolicy(
            f"{system.namespace}-{NAME}",
            metadata=ObjectMetaArgs(name=NAME, namespace=system.namespace),
            spec=_network_rules(system),
            opts=child,
        )
        self.register_outputs({"release": release.status})


def _routes(system: System) -> list[HttpRoute]:
    straight = [
        each
        for service in system.services
        for route in service.routes
        for each in routes_to(host_of(service, system), prefix=route)
    ]
    return [*straight, *routes_to(host_of(system.gateway, system))]


def _values() -> dict[str, object]:
    return {
        "labels": LABELS,
        "serviceAccount": {"create": True, "name": NAME},
        "service": {
            "type": "LoadBalancer",
            "externalTrafficPolicy": "Local",
            "ports": [
                {"name": "status-port", "port": HEALTH_PORT, "targetPort": HEALTH_PORT},
                {"name": "http", "port": PUBLIC_PORT, "targetPort": PUBLIC_PORT},
            ],
        },
        "resources": {
            "requests": {"cpu": "100m", "memory": "128Mi"},
            "limits": {"cpu": "1", "memory": "512Mi"},
        },
        "autoscaling": {"enabled": True, "minReplicas": 1, "maxReplicas": 3},
        "podDisruptionBudget": {"maxUnavailable": 1},
        "securityContext": {
            "runAsNonRoot": True,
            "runAsUser": 1337,
            "runAsGroup": 1337,
            "seccompProfile": {"type": "RuntimeDefault"},
        },
    }


def _network_rules(system: System) -> networking.NetworkPolicySpecArgs:
    def tcp(*ports: int) -> list[networking.NetworkPolicyPortArgs]:
        return [networking.NetworkPolicyPortArgs(port=port, protocol="TCP") for port in ports]

    def namespace(name: str) -> networking.NetworkPolicyPeerArgs:
        return networking.NetworkPolicyPeerArgs(
            namespace_selector=LabelSelectorArgs(match_labels=namespace_label(name))
        )

    dns = [networking.NetworkPolicyPortArgs(port=53, protocol=protocol) for protocol in ("UDP", "TCP")]
    services = [
        networking.NetworkPolicyPeerArgs(pod_selector=LabelSelectorArgs(match_labels=selector_of(service)))
        for service in system.services
    ]
    return networking.NetworkPolicySpecArgs(
        pod_selector=LabelSelectorArgs(match_labels={"app": NAME}),
        policy_types=["Ingress", "Egress"],
        ingress=[
            networking.NetworkPolicyIngressRuleArgs(ports=tcp(PUBLIC_PORT, HEALTH_PORT)),
            networking.NetworkPolicyIngressRuleArgs(
                from_=[namespace(TOOLS_NAMESPACE)], ports=tcp(15020, 15090)
            ),
        ],
        egress=[
            networking.NetworkPolicyEgressRuleArgs(ports=dns),
            networking.NetworkPolicyEgressRuleArgs(to=services, ports=tcp(PUBLIC_PORT)),
            networking.NetworkPolicyEgressRuleArgs(
                to=[namespace(MESH_NAMESPACE)], ports=tcp(15012, 4317, 4318)
            ),
        ],
    )
