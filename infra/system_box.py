"""A system: its namespace in the mesh, its entrance and its services."""

from dataclasses import dataclass

import pulumi

from infra.addresses import DatabaseAddress, Foundation, ImageSource, KafkaAddress
from infra.box import Box
from infra.entrance import Entrance, EntranceArgs
from infra.kinds.istio import (
    AuthorizationPolicy,
    AuthorizationPolicySpec,
    PeerAuthentication,
    PeerAuthenticationSpec,
    Rule,
    Selector,
    Sidecar,
    SidecarSpec,
)
from infra.names import MESH_NAMESPACE
from infra.namespaces import Namespace, NamespaceArgs
from infra.passwords import Passwords
from infra.settings import Settings
from infra.systems import PUBLIC_PORT, Service, System
from infra.workload import Workload, WorkloadArgs

__all__ = ["SystemBox", "SystemBoxArgs"]


@dataclass(frozen=True)
class SystemBoxArgs:
    system: System
    settings: Settings
    passwords: Passwords
    images: ImageSource
    database: DatabaseAddress
    kafka: KafkaAddress
    ground: Foundation


class SystemBox(Box):
    """Everything of one system that is not shared."""

    def __init__(self, args: SystemBoxArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        system = args.system
        super().__init__("clinic:system:System", system.name, opts)
        namespace = Namespace(
            NamespaceArgs(system.namespace, in_the_mesh=True, protect=args.settings.protect),
            self.child(),
        )
        after = self.child(namespace)
        _mesh_defaults(system, after)
        Entrance(EntranceArgs(system, args.settings.workloads.smallest, args.ground.outside), after)
        for service in system.services:
            Workload(_workload(service, args), after)
        self.register_outputs({"namespace": system.namespace})


def _workload(service: Service, args: SystemBoxArgs) -> WorkloadArgs:
    name = service.kubernetes_name
    passwords = {"ADMIN_TOKEN": args.passwords.admin_token}
    if service.database:
        passwords["DATABASE_PASSWORD"] = args.passwords.database[name]
    if service.topics and args.kafka.protocol == "SASL_SSL":
        passwords["KAFKA_PASSWORD"] = args.passwords.kafka[name]
    return WorkloadArgs(
        system=args.system,
        service=service,
        settings=args.settings.workloads,
        images=args.images,
        database=args.database,
        kafka=args.kafka,
        passwords=passwords,
        storage_class=args.ground.storage_class,
        protect=args.settings.protect,
        runbooks=args.settings.observability.runbooks,
    )


def _mesh_defaults(system: System, opts: pulumi.ResourceOptions) -> None:
    """Callers show a certificate; who is not named in a service's policy is refused; sidecars know little."""
    namespace = system.namespace
    PeerAuthentication(
        "default", PeerAuthenticationSpec(mtls={"mode": "STRICT"}), namespace=namespace, opts=opts
    )
    AuthorizationPolicy("nobody", AuthorizationPolicySpec(), namespace=namespace, opts=opts)
    AuthorizationPolicy(
        "entrance",
        AuthorizationPolicySpec(
            selector=Selector(match_labels={"app": "entrance"}),
            action="ALLOW",
            rules=[Rule(to=[{"operation": {"ports": [str(PUBLIC_PORT)]}}])],
        ),
        namespace=namespace,
        opts=opts,
    )
    Sidecar(
        "default",
        SidecarSpec(
            egress=[{"hosts": ["./*", f"{MESH_NAMESPACE}/*"]}],
            outbound_traffic_policy={"mode": "REGISTRY_ONLY"},
        ),
        namespace=namespace,
        opts=opts,
    )
