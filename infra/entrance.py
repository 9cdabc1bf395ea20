"""A system's entrance: an Istio gateway on 8080 with an external address, and where it sends each path."""

from dataclasses import dataclass

import pulumi
from pulumi_kubernetes.meta.v1 import LabelSelectorArgs, ObjectMetaArgs
from pulumi_kubernetes.networking import v1 as networking

from infra.access import ISTIOD_PORT, SIDECAR_METRICS
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
from infra.names import ENTRANCE, MESH_NAMESPACE, TOOLS_NAMESPACE
from infra.network_rules import incoming, names, namespace, outgoing, pods, tcp
from infra.pod import selector_of
from infra.systems import PUBLIC_PORT, System
from infra.tracing import TRACES_PORT
from infra.traffic import host_of, routes_to
from infra.versions import ISTIO_GATEWAY

__all__ = ["Entrance", "EntranceArgs"]

LABELS = {"app": ENTRANCE, "istio": ENTRANCE}
HEALTH_PORT = 15021


@dataclass(frozen=True)
class EntranceArgs:
    """`smallest` is how many pods there are at least, `outside` the Service's type."""

    system: System
    smallest: int
    outside: str


class Entrance(Box):
    """Each service's prefix goes straight to it, everything else to the gateway service."""

    def __init__(self, args: EntranceArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        system = args.system
        super().__init__("clinic:system:Entrance", f"{system.namespace}-{ENTRANCE}", opts)
        child = self.child()
        release = Release(
            f"{system.namespace}-{ENTRANCE}",
            ReleaseArgs(ISTIO_GATEWAY, system.namespace, _values(args), release_name=ENTRANCE),
            opts=child,
        )
        Gateway(
            ENTRANCE,
            GatewaySpec(
                selector=LABELS,
                servers=[GatewayServer(Port(PUBLIC_PORT, "http", "HTTP"), hosts=["*"])],
            ),
            namespace=system.namespace,
            opts=child,
        )
        VirtualService(
            ENTRANCE,
            VirtualServiceSpec(hosts=["*"], gateways=[ENTRANCE], http=_routes(system)),
            namespace=system.namespace,
            opts=child,
        )
        networking.NetworkPolicy(
            f"{system.namespace}-{ENTRANCE}",
            metadata=ObjectMetaArgs(name=ENTRANCE, namespace=system.namespace),
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


def _values(args: EntranceArgs) -> dict[str, object]:
    return {
        "labels": LABELS,
        "serviceAccount": {"create": True, "name": ENTRANCE},
        "service": {
            "type": args.outside,
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
        "autoscaling": {"enabled": True, "minReplicas": args.smallest, "maxReplicas": 3},
        "topologySpreadConstraints": [
            {
                "maxSkew": 1,
                "topologyKey": key,
                "whenUnsatisfiable": "ScheduleAnyway",
                "labelSelector": {"matchLabels": {"app": ENTRANCE}},
            }
            for key in ("topology.kubernetes.io/zone", "kubernetes.io/hostname")
        ],
        "podDisruptionBudget": {"maxUnavailable": 1},
        "securityContext": {
            "runAsNonRoot": True,
            "runAsUser": 1337,
            "runAsGroup": 1337,
            "seccompProfile": {"type": "RuntimeDefault"},
        },
    }


def _network_rules(system: System) -> networking.NetworkPolicySpecArgs:
    services = [pods(selector_of(service)) for service in system.services]
    return networking.NetworkPolicySpecArgs(
        pod_selector=LabelSelectorArgs(match_labels={"app": ENTRANCE}),
        policy_types=["Ingress", "Egress"],
        ingress=[
            incoming(tcp(PUBLIC_PORT, HEALTH_PORT)),
            incoming(tcp(*SIDECAR_METRICS), namespace(TOOLS_NAMESPACE)),
        ],
        egress=[
            names(),
            outgoing(tcp(PUBLIC_PORT), *services),
            outgoing(tcp(ISTIOD_PORT), namespace(MESH_NAMESPACE)),
            outgoing(tcp(TRACES_PORT), namespace(TOOLS_NAMESPACE)),
        ],
    )
