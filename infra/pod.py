"""The pod of a service: its container, probes, environment and what it may do."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import pulumi
from pulumi_kubernetes.core import v1 as core
from pulumi_kubernetes.meta.v1 import LabelSelectorArgs, ObjectMetaArgs

from infra.names import APP_USER
from infra.systems import ADMIN_PORT, PUBLIC_PORT, Service

__all__ = ["CONTAINER", "DRAIN_SECONDS", "Environment", "PodArgs", "labels_of", "pod_template", "selector_of"]

CONTAINER = "app"
DRAIN_SECONDS = 5
"""How long a pod that ends still serves: until every proxy knows that it is gone."""
ENDS_WITHIN_SECONDS = 5
"""What the process itself takes, as docs/operations.md says."""


@dataclass(frozen=True)
class Environment:
    """Which variables come from which ConfigMap or Secret."""

    config: tuple[pulumi.Input[str], tuple[str, ...]]
    secrets: tuple[tuple[pulumi.Input[str], str], ...]
    """A Secret's name, and the variable it carries."""


@dataclass(frozen=True)
class PodArgs:
    """`claim` is the PersistentVolumeClaim of the service's volume. `past_the_mesh` are the ports of PostgreSQL and
    Kafka: both are encrypted by themselves where they have to be.
    """

    service: Service
    labels: Mapping[str, str]
    image: pulumi.Input[str]
    pull_policy: str
    environment: Environment
    claim: pulumi.Input[str] | None
    past_the_mesh: tuple[int, ...]


def selector_of(service: Service) -> dict[str, str]:
    return {"app": service.kubernetes_name}


def labels_of(service: Service, system: str) -> dict[str, str]:
    return {
        **selector_of(service),
        "app.kubernetes.io/name": service.kubernetes_name,
        "app.kubernetes.io/part-of": system,
        "app.kubernetes.io/managed-by": "pulumi",
    }


def pod_template(args: PodArgs) -> core.PodTemplateSpecArgs:
    service = args.service
    mounts = [core.VolumeMountArgs(name="tmp", mount_path="/tmp")]  # noqa: S108 # an emptyDir of the pod's own
    volumes = [core.VolumeArgs(name="tmp", empty_dir=core.EmptyDirVolumeSourceArgs(size_limit="64Mi"))]
    if service.volume and args.claim:
        source = core.PersistentVolumeClaimVolumeSourceArgs(claim_name=args.claim)
        mounts.append(core.VolumeMountArgs(name="data", mount_path=service.volume.path))
        volumes.append(core.VolumeArgs(name="data", persistent_volume_claim=source))
    container = core.ContainerArgs(
        name=CONTAINER,
        image=args.image,
        image_pull_policy=args.pull_policy,
        args=["python", "-m", "clinic_lib.server", service.app],
        ports=[
            core.ContainerPortArgs(name="http", container_port=PUBLIC_PORT),
            core.ContainerPortArgs(name="admin", container_port=ADMIN_PORT),
        ],
        env=list(_variables(args.environment)),
        readiness_probe=_readiness(service),
        liveness_probe=_liveness(),
        lifecycle=core.LifecycleArgs(
            pre_stop=core.LifecycleHandlerArgs(sleep=core.SleepActionArgs(seconds=DRAIN_SECONDS))
        ),
        resources=core.ResourceRequirementsArgs(
            requests={"cpu": service.resources.cpu, "memory": service.resources.memory},
            limits={"cpu": service.resources.cpu_limit, "memory": service.resources.memory_limit},
        ),
        security_context=core.SecurityContextArgs(
            allow_privilege_escalation=False,
            read_only_root_filesystem=True,
            capabilities=core.CapabilitiesArgs(drop=["ALL"]),
        ),
        volume_mounts=mounts,
    )
    return core.PodTemplateSpecArgs(
        metadata=ObjectMetaArgs(labels=args.labels, annotations=_mesh_annotations(args.past_the_mesh)),
        spec=_pod(service, container, volumes),
    )


def _pod(service: Service, container: core.ContainerArgs, volumes: list[core.VolumeArgs]) -> core.PodSpecArgs:
    return core.PodSpecArgs(
        service_account_name=service.kubernetes_name,
        automount_service_account_token=False,
        enable_service_links=False,
        termination_grace_period_seconds=DRAIN_SECONDS + ENDS_WITHIN_SECONDS + 10,
        containers=[container],
        volumes=volumes,
        topology_spread_constraints=[
            core.TopologySpreadConstraintArgs(
                max_skew=1,
                topology_key=key,
                when_unsatisfiable="ScheduleAnyway",
                label_selector=LabelSelectorArgs(match_labels=selector_of(service)),
                match_label_keys=["pod-template-hash"],
            )
            for key in ("topology.kubernetes.io/zone", "kubernetes.io/hostname")
        ],
        security_context=core.PodSecurityContextArgs(
            run_as_non_root=True,
            run_as_user=APP_USER,
            run_as_group=APP_USER,
            fs_group=APP_USER,
            fs_group_change_policy="OnRootMismatch",
            seccomp_profile=core.SeccompProfileArgs(type="RuntimeDefault"),
        ),
    )


def _readiness(service: Service) -> core.ProbeArgs:
    """The service's own collection: what callers get is what is asked. A gateway has none and must not fail with
    the service behind it, so it is asked for itself.
    """
    path, port = (service.probed_path, "http") if service.routes else ("/health/ready", "admin")
    return core.ProbeArgs(
        http_get=core.HTTPGetActionArgs(path=path, port=port),
        initial_delay_seconds=10,
        timeout_seconds=2,
        period_seconds=5,
        failure_threshold=10,
    )


def _liveness() -> core.ProbeArgs:
    return core.ProbeArgs(
        http_get=core.HTTPGetActionArgs(path="/health/live", port="admin"),
        initial_delay_seconds=10,
        timeout_seconds=2,
        period_seconds=5,
        failure_threshold=3,
    )


def _variables(environment: Environment) -> Iterable[core.EnvVarArgs]:
    name, keys = environment.config
    for key in keys:
        reference = core.ConfigMapKeySelectorArgs(name=name, key=key)
        yield core.EnvVarArgs(name=key, value_from=core.EnvVarSourceArgs(config_map_key_ref=reference))
    for secret, key in environment.secrets:
        wanted = core.SecretKeySelectorArgs(name=secret, key=key)
        yield core.EnvVarArgs(name=key, value_from=core.EnvVarSourceArgs(secret_key_ref=wanted))


def _mesh_annotations(past_the_mesh: tuple[int, ...]) -> dict[str, str]:
    """The metrics port is scraped from outside the mesh, which STRICT would refuse."""
    annotations = {
        "traffic.sidecar.istio.io/excludeInboundPorts": str(ADMIN_PORT),
        "proxy.istio.io/config": '{"holdApplicationUntilProxyStarts": true}',
    }
    if past_the_mesh:
        ports = ",".join(map(str, past_the_mesh))
        annotations["traffic.sidecar.istio.io/excludeOutboundPorts"] = ports
    return annotations
