"""Who may speak with a service, and with whom it may speak: by address, and by identity in the mesh."""

from collections.abc import Iterator
from dataclasses import dataclass

import pulumi
from pulumi_kubernetes.meta.v1 import LabelSelectorArgs, ObjectMetaArgs
from pulumi_kubernetes.networking import v1 as networking

from infra.addresses import DatabaseAddress, KafkaAddress, Peer
from infra.box import Box
from infra.kinds.istio import AuthorizationPolicy, AuthorizationPolicySpec, Rule, Selector
from infra.names import MESH_NAMESPACE, TOOLS_NAMESPACE, entrance_account, namespace_label
from infra.pod import labels_of, selector_of
from infra.systems import ADMIN_PORT, PUBLIC_PORT, Service, System

__all__ = ["Access", "AccessArgs"]

ENTRANCE = {"app": "entrance"}
ISTIOD_PORTS = (15012, 15017)
TRACE_PORTS = (4317, 4318)
DNS_PORT = 53


@dataclass(frozen=True)
class AccessArgs:
    system: System
    service: Service
    database: DatabaseAddress
    kafka: KafkaAddress


class Access(Box):
    """A NetworkPolicy and an AuthorizationPolicy that say the same; all else is denied by the namespace."""

    def __init__(self, args: AccessArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        system, service = args.system, args.service
        name = f"{system.namespace}-{service.kubernetes_name}"
        super().__init__("clinic:workload:Access", f"{name}-access", opts)
        child = self.child()
        labels = labels_of(service, system.name)
        callers = list(system.callers(service))

        networking.NetworkPolicy(
            name,
            metadata=ObjectMetaArgs(name=service.kubernetes_name, namespace=system.namespace, labels=labels),
            spec=networking.NetworkPolicySpecArgs(
                pod_selector=LabelSelectorArgs(match_labels=selector_of(service)),
                policy_types=["Ingress", "Egress"],
                ingress=[
                    networking.NetworkPolicyIngressRuleArgs(
                        from_=[_pods(ENTRANCE), *(_pods(selector_of(each)) for each in callers)],
                        ports=_tcp(PUBLIC_PORT),
                    ),
                    networking.NetworkPolicyIngressRuleArgs(
                        from_=[_namespace(TOOLS_NAMESPACE)], ports=_tcp(ADMIN_PORT, 15020, 15090)
                    ),
                ],
                egress=list(_egress(args)),
            ),
            opts=child,
        )
        principals = [
            entrance_account(system.namespace),
            *(f"cluster.local/ns/{system.namespace}/sa/{each.kubernetes_name}" for each in callers),
        ]
        AuthorizationPolicy(
            service.kubernetes_name,
            AuthorizationPolicySpec(
                selector=Selector(match_labels=selector_of(service)),
                action="ALLOW",
                rules=[
                    Rule(
                        from_=[{"source": {"principals": principals}}],
                        to=[{"operation": {"ports": [str(PUBLIC_PORT)]}}],
                    )
                ],
            ),
            namespace=system.namespace,
            labels=labels,
            opts=child,
        )
        self.register_outputs({})


def _egress(args: AccessArgs) -> Iterator[networking.NetworkPolicyEgressRuleArgs]:
    dns = [networking.NetworkPolicyPortArgs(port=DNS_PORT, protocol=protocol) for protocol in ("UDP", "TCP")]
    yield networking.NetworkPolicyEgressRuleArgs(ports=dns)
    yield networking.NetworkPolicyEgressRuleArgs(
        to=[_namespace(MESH_NAMESPACE)], ports=_tcp(*ISTIOD_PORTS, *TRACE_PORTS)
    )
    if args.service.calls:
        called = [args.system.service(name) for name in args.service.calls]
        yield networking.NetworkPolicyEgressRuleArgs(
            to=[_pods(selector_of(each)) for each in called], ports=_tcp(PUBLIC_PORT)
        )
    if args.service.database:
        yield networking.NetworkPolicyEgressRuleArgs(
            to=[_peer(args.database.peer)], ports=_tcp(args.database.port)
        )
    if args.service.topics:
        yield networking.NetworkPolicyEgressRuleArgs(
            to=[_peer(args.kafka.peer)], ports=_tcp(*args.kafka.ports)
        )


def _tcp(*ports: int) -> list[networking.NetworkPolicyPortArgs]:
    return [networking.NetworkPolicyPortArgs(port=port, protocol="TCP") for port in ports]


def _pods(labels: dict[str, str]) -> networking.NetworkPolicyPeerArgs:
    return networking.NetworkPolicyPeerArgs(pod_selector=LabelSelectorArgs(match_labels=labels))


def _namespace(name: str) -> networking.NetworkPolicyPeerArgs:
    return networking.NetworkPolicyPeerArgs(
        namespace_selector=LabelSelectorArgs(match_labels=namespace_label(name))
    )


def _peer(peer: Peer) -> networking.NetworkPolicyPeerArgs:
    if peer.namespace:
        return _namespace(peer.namespace)
    assert peer.cidr is not None
    return networking.NetworkPolicyPeerArgs(ip_block=networking.IPBlockArgs(cidr=peer.cidr))
