"""A PostgreSQL inside the cluster, for where no managed one is: one replica on one disk."""

from collections.abc import Sequence
from dataclasses import dataclass

import pulumi
from pulumi_kubernetes import apps, core, networking
from pulumi_kubernetes.meta.v1 import LabelSelectorArgs, ObjectMetaArgs

from infra.addresses import DatabaseAddress, Peer
from infra.box import Box
from infra.names import POSTGRESQL_NAMESPACE
from infra.network_rules import incoming, namespace, tcp
from infra.stores import Postgresql
from infra.versions import POSTGRESQL_IMAGE

__all__ = ["PostgresqlServer", "PostgresqlServerArgs"]

NAME = "postgresql"
PORT = 5432
SELECTOR = {"app": NAME}
LABELS = {**SELECTOR, "app.kubernetes.io/name": NAME, "app.kubernetes.io/managed-by": "pulumi"}
USER = 70
WAIVERS = {
    "checkov.io/skip1": "CKV_K8S_40=70 is the user that the image is made for",
    "checkov.io/skip2": "CKV_K8S_35=the image reads its password from the environment at its first start",
}


@dataclass(frozen=True)
class PostgresqlServerArgs:
    settings: Postgresql
    administrator_password: pulumi.Output[str]
    clients: Sequence[str]
    """Namespaces that may connect."""
    disk_class: str | None
    protect: bool


class PostgresqlServer(Box):
    """`address` is for the services."""

    def __init__(self, args: PostgresqlServerArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("clinic:postgresql:Server", NAME, opts)
        child = self.child()
        metadata = ObjectMetaArgs(name=NAME, namespace=POSTGRESQL_NAMESPACE, labels=LABELS)
        password = core.v1.Secret(
            f"{NAME}-password",
            metadata=ObjectMetaArgs(namespace=POSTGRESQL_NAMESPACE, labels=LABELS),
            type="Opaque",
            string_data={"POSTGRES_PASSWORD": args.administrator_password},
            opts=child,
        )
        service = core.v1.Service(
            NAME,
            metadata=metadata,
            spec=core.v1.ServiceSpecArgs(
                selector=SELECTOR,
                ports=[core.v1.ServicePortArgs(name="tcp-postgresql", port=PORT, target_port="postgresql")],
            ),
            opts=child,
        )
        networking.v1.NetworkPolicy(NAME, metadata=metadata, spec=_network_rules(args.clients), opts=child)
        apps.v1.StatefulSet(
            NAME,
            metadata=ObjectMetaArgs(
                name=NAME, namespace=POSTGRESQL_NAMESPACE, labels=LABELS, annotations=WAIVERS
            ),
            spec=apps.v1.StatefulSetSpecArgs(
                replicas=1,
                service_name=NAME,
                selector=LabelSelectorArgs(match_labels=SELECTOR),
                template=core.v1.PodTemplateSpecArgs(
                    metadata=ObjectMetaArgs(labels=LABELS),
                    spec=_pod(args.settings.administrator, password.metadata.name.apply(str)),
                ),
                volume_claim_templates=[_claim(args)],
            ),
            opts=self.child(
                service, protect=args.protect, timeouts=pulumi.CustomTimeouts(create="5m", update="5m")
            ),
        )
        self.address = DatabaseAddress(
            host=f"{NAME}.{POSTGRESQL_NAMESPACE}.svc",
            port=PORT,
            administrator=args.settings.administrator,
            encrypted=False,
            peer=Peer(namespace=POSTGRESQL_NAMESPACE),
        )
        self.register_outputs({"host": self.address.host})


def _claim(args: PostgresqlServerArgs) -> core.v1.PersistentVolumeClaimArgs:
    return core.v1.PersistentVolumeClaimArgs(
        metadata=ObjectMetaArgs(name="data"),
        spec=core.v1.PersistentVolumeClaimSpecArgs(
            access_modes=["ReadWriteOnce"],
            storage_class_name=args.disk_class,
            resources=core.v1.VolumeResourceRequirementsArgs(requests={"storage": args.settings.storage}),
        ),
    )


def _pod(administrator: str, password: pulumi.Output[str]) -> core.v1.PodSpecArgs:
    ready = core.v1.ExecActionArgs(command=["pg_isready", "--username", administrator])
    secret = core.v1.SecretKeySelectorArgs(name=password, key="POSTGRES_PASSWORD")
    folders = {"data": "/var/lib/postgresql", "run": "/var/run/postgresql", "tmp": "/tmp"}  # noqa: S108
    return core.v1.PodSpecArgs(
        automount_service_account_token=False,
        containers=[
            core.v1.ContainerArgs(
                name=NAME,
                image=POSTGRESQL_IMAGE,
                image_pull_policy="Always",
                args=["postgres", "-c", "max_connections=300", "-c", "max_locks_per_transaction=256"],
                ports=[core.v1.ContainerPortArgs(name="postgresql", container_port=PORT)],
                env=[
                    core.v1.EnvVarArgs(name="POSTGRES_USER", value=administrator),
                    core.v1.EnvVarArgs(
                        name="POSTGRES_PASSWORD", value_from=core.v1.EnvVarSourceArgs(secret_key_ref=secret)
                    ),
                ],
                readiness_probe=core.v1.ProbeArgs(exec_=ready, period_seconds=5, timeout_seconds=3),
                liveness_probe=core.v1.ProbeArgs(
                    exec_=ready, initial_delay_seconds=30, period_seconds=10, timeout_seconds=5
                ),
                resources=core.v1.ResourceRequirementsArgs(
                    requests={"cpu": "200m", "memory": "256Mi"}, limits={"cpu": "2", "memory": "1Gi"}
                ),
                security_context=core.v1.SecurityContextArgs(
                    allow_privilege_escalation=False,
                    read_only_root_filesystem=True,
                    capabilities=core.v1.CapabilitiesArgs(drop=["ALL"]),
                ),
                volume_mounts=[
                    core.v1.VolumeMountArgs(name=name, mount_path=path) for name, path in folders.items()
                ],
            )
        ],
        volumes=[
            core.v1.VolumeArgs(name=name, empty_dir=core.v1.EmptyDirVolumeSourceArgs())
            for name in ("run", "tmp")
        ],
        security_context=core.v1.PodSecurityContextArgs(
            run_as_non_root=True,
            run_as_user=USER,
            run_as_group=USER,
            fs_group=USER,
            seccomp_profile=core.v1.SeccompProfileArgs(type="RuntimeDefault"),
        ),
    )


def _network_rules(clients: Sequence[str]) -> networking.v1.NetworkPolicySpecArgs:
    return networking.v1.NetworkPolicySpecArgs(
        pod_selector=LabelSelectorArgs(match_labels=SELECTOR),
        policy_types=["Ingress"],
        ingress=[incoming(tcp(PORT), *(namespace(name) for name in (*clients, POSTGRESQL_NAMESPACE)))],
    )
