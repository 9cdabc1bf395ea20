"""Who may speak with a service, and with whom it may speak: by address, and by identity in the mesh."""

from collections.abc import Iterator
from dataclasses import dataclass

import pulumi
from pulumi_kubernetes.meta.v1 import LabelSelectorArgs, ObjectMetaArgs
from pulumi_kubernetes.networking import v1 as networking

from infra.addresses import DatabaseAddress, KafkaAddress
from infra.box import Box
from infra.kinds.istio import AuthorizationPolicy, AuthorizationPolicySpec, Rule, Selector
from infra.names import ENTRANCE, MESH_NAMESPACE, TOOLS_NAMESPACE, entrance_account
from infra.network_rules import incoming, names, namespace, outgoing, peer, pods, tcp
from infra.pod import labels_of, selector_of
from infra.systems import ADMIN_PORT, PUBLIC_PORT, Service, System
from infra.tracing import TRACES_HTTP_PORT, TRACES_PORT

__all__ = ["ISTIOD_PORT", "SIDECAR_METRICS", "Access", "AccessArgs"]

ISTIOD_PORT = 15012
SIDECAR_METRICS = (15020, 15090)


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
                    incoming(
                        tcp(PUBLIC_PORT),
                        pods({"app": ENTRANCE}),
                        *(pods(selector_of(each)) for each in callers),
                    ),
                    incoming(tcp(ADMIN_PORT, *SIDECAR_METRICS), namespace(TOOLS_NAMESPACE)),
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
    yield names()
    yield outgoing(tcp(ISTIOD_PORT), namespace(MESH_NAMESPACE))
    yield outgoing(tcp(TRACES_PORT, TRACES_HTTP_PORT), namespace(TOOLS_NAMESPACE))
    if args.service.calls:
        called = [args.system.service(name) for name in args.service.calls]
        yield outgoing(tcp(PUBLIC_PORT), *(pods(selector_of(each)) for each in called))
    if args.service.database:
        yield outgoing(tcp(args.database.port), peer(args.database.peer))
    if args.service.topics:
        yield outgoing(tcp(*args.kafka.ports), peer(args.kafka.peer))
