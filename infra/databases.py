"""A database and a role per service, made by a Job from inside the network, where alone the server is reached."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import pulumi
from pulumi_kubernetes import batch, core, networking
from pulumi_kubernetes.meta.v1 import LabelSelectorArgs, ObjectMetaArgs

from infra.addresses import AUTHORITIES, DatabaseAddress
from infra.box import Box
from infra.names import APP_USER, POSTGRESQL_NAMESPACE
from infra.network_rules import names, outgoing, peer, tcp

__all__ = ["Databases", "DatabasesArgs"]

NAME = "make-databases"
LABELS = {"app": NAME, "app.kubernetes.io/name": NAME, "app.kubernetes.io/managed-by": "pulumi"}
SCRIPT = Path(__file__).with_name("make_databases.py")


@dataclass(frozen=True)
class DatabasesArgs:
    """`passwords` are by the database's name; `image` is any service's: it has Python and the driver."""

    address: DatabaseAddress
    administrator_password: pulumi.Output[str]
    passwords: Mapping[str, pulumi.Output[str]]
    image: pulumi.Output[str]
    waivers: Mapping[str, str]
    pull_policy: str


class Databases(Box):
    """Runs again whenever the script or a password changes: then the names it refers to are new."""

    def __init__(self, args: DatabasesArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("clinic:postgresql:Databases", "databases", opts)
        child = self.child()
        metadata = ObjectMetaArgs(namespace=POSTGRESQL_NAMESPACE, labels=LABELS)
        script = core.v1.ConfigMap(
            NAME, metadata=metadata, data={SCRIPT.name: SCRIPT.read_text()}, opts=child
        )
        administrator = core.v1.Secret(
            f"{NAME}-administrator",
            metadata=metadata,
            type="Opaque",
            string_data={"PGPASSWORD": args.administrator_password},
            opts=child,
        )
        passwords = core.v1.Secret(
            f"{NAME}-passwords",
            metadata=metadata,
            type="Opaque",
            string_data=dict(args.passwords),
            opts=child,
        )
        networking.v1.NetworkPolicy(
            NAME,
            metadata=ObjectMetaArgs(name=NAME, namespace=POSTGRESQL_NAMESPACE, labels=LABELS),
            spec=_network_rules(args.address),
            opts=child,
        )
        self.job = batch.v1.Job(
            NAME,
            metadata=ObjectMetaArgs(
                namespace=POSTGRESQL_NAMESPACE, labels=LABELS, annotations=dict(args.waivers)
            ),
            spec=batch.v1.JobSpecArgs(
                backoff_limit=10,
                template=core.v1.PodTemplateSpecArgs(
                    metadata=ObjectMetaArgs(labels=LABELS),
                    spec=_pod(
                        args,
                        script.metadata.name.apply(str),
                        administrator.metadata.name.apply(str),
                        passwords.metadata.name.apply(str),
                    ),
                ),
            ),
            opts=self.child(timeouts=pulumi.CustomTimeouts(create="10m", update="10m")),
        )
        self.register_outputs({"job": self.job.metadata.name})


def _pod(
    args: DatabasesArgs,
    script: pulumi.Output[str],
    administrator: pulumi.Output[str],
    passwords: pulumi.Output[str],
) -> core.v1.PodSpecArgs:
    return core.v1.PodSpecArgs(
        restart_policy="OnFailure",
        automount_service_account_token=False,
        containers=[
            core.v1.ContainerArgs(
                name="make",
                image=args.image,
                image_pull_policy=args.pull_policy,
                args=["python", f"/script/{SCRIPT.name}", "/passwords"],
                env=_variables(args, administrator),
                resources=core.v1.ResourceRequirementsArgs(
                    requests={"cpu": "50m", "memory": "64Mi"}, limits={"cpu": "500m", "memory": "128Mi"}
                ),
                security_context=core.v1.SecurityContextArgs(
                    allow_privilege_escalation=False,
                    read_only_root_filesystem=True,
                    capabilities=core.v1.CapabilitiesArgs(drop=["ALL"]),
                ),
                volume_mounts=[
                    core.v1.VolumeMountArgs(name="script", mount_path="/script", read_only=True),
                    core.v1.VolumeMountArgs(name="passwords", mount_path="/passwords", read_only=True),
                ],
            )
        ],
        volumes=_volumes(script, passwords),
        security_context=core.v1.PodSecurityContextArgs(
            run_as_non_root=True,
            run_as_user=APP_USER,
            run_as_group=APP_USER,
            fs_group=APP_USER,
            seccomp_profile=core.v1.SeccompProfileArgs(type="RuntimeDefault"),
        ),
    )


def _variables(args: DatabasesArgs, administrator: pulumi.Output[str]) -> list[core.v1.EnvVarArgs]:
    variables: dict[str, pulumi.Input[str]] = {
        "PGHOST": args.address.host,
        "PGPORT": str(args.address.port),
        "PGUSER": args.address.administrator,
        **(
            {"PGSSLMODE": "verify-full", "PGSSLROOTCERT": AUTHORITIES}
            if args.address.encrypted
            else {"PGSSLMODE": "disable"}
        ),
    }
    plain = [core.v1.EnvVarArgs(name=name, value=value) for name, value in variables.items()]
    secret = core.v1.SecretKeySelectorArgs(name=administrator, key="PGPASSWORD")
    source = core.v1.EnvVarSourceArgs(secret_key_ref=secret)
    password = core.v1.EnvVarArgs(name="PGPASSWORD", value_from=source)
    return [*plain, password]


def _volumes(script: pulumi.Output[str], passwords: pulumi.Output[str]) -> list[core.v1.VolumeArgs]:
    return [
        core.v1.VolumeArgs(name="script", config_map=core.v1.ConfigMapVolumeSourceArgs(name=script)),
        core.v1.VolumeArgs(name="passwords", secret=core.v1.SecretVolumeSourceArgs(secret_name=passwords)),
    ]


def _network_rules(address: DatabaseAddress) -> networking.v1.NetworkPolicySpecArgs:
    return networking.v1.NetworkPolicySpecArgs(
        pod_selector=LabelSelectorArgs(match_labels={"app": NAME}),
        policy_types=["Egress"],
        egress=[names(), outgoing(tcp(address.port), peer(address.peer))],
    )
