"""A workload: a service as Kubernetes sees it."""

import json
from collections.abc import Mapping
from dataclasses import dataclass

import pulumi
from pulumi_kubernetes import apps, autoscaling, core, policy
from pulumi_kubernetes.meta.v1 import LabelSelectorArgs, ObjectMetaArgs

from infra.access import Access, AccessArgs
from infra.addresses import AUTHORITIES, DatabaseAddress, ImageSource, KafkaAddress
from infra.box import Box
from infra.pod import CONTAINER, Environment, PodArgs, labels_of, pod_template, selector_of
from infra.settings import Workloads
from infra.systems import ADMIN_PORT, PUBLIC_PORT, Service, System
from infra.tracing import SAMPLED_PERCENT, TRACES_HOST, TRACES_HTTP_PORT
from infra.traffic import Traffic, TrafficArgs
from infra.watch import Watch, WatchArgs

__all__ = ["Workload", "WorkloadArgs", "image_waivers", "pull_policy"]

TIMEOUTS = pulumi.CustomTimeouts(create="5m", update="5m", delete="5m")
WAIVED = {
    "CKV_K8S_35": "the password is asked for as an environment variable",
    "CKV_K8S_43": "no registry gives this image a digest",
    "CKV_K8S_15": "the image is loaded into the nodes, there is nowhere to pull it from",
}
"""Rules of checkov that do not hold here, with the reason that stands beside each."""


@dataclass(frozen=True)
class WorkloadArgs:
    """`passwords` are by variable: DATABASE_PASSWORD, KAFKA_PASSWORD and ADMIN_TOKEN."""

    system: System
    service: Service
    settings: Workloads
    images: ImageSource
    database: DatabaseAddress
    kafka: KafkaAddress
    passwords: Mapping[str, pulumi.Output[str]]
    storage_class: str
    protect: bool
    runbooks: str


class Workload(Box):
    """Account, configuration, Deployment, Service, scaling and rules of one service, all from its row."""

    def __init__(self, args: WorkloadArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        service, namespace = args.service, args.system.namespace
        self.name = f"{namespace}-{service.kubernetes_name}"
        super().__init__("clinic:workload:Workload", self.name, opts)
        self._args = args
        self._child = self.child()
        self._labels = labels_of(service, args.system.name)
        metadata = self._metadata(service.kubernetes_name)

        account = core.v1.ServiceAccount(
            self.name, metadata=metadata, automount_service_account_token=False, opts=self._child
        )
        environment = self._environment()
        deployment = apps.v1.Deployment(
            self.name,
            metadata=self._metadata(service.kubernetes_name, image_waivers(args.images, service)),
            spec=apps.v1.DeploymentSpecArgs(
                # no replicas: their number is the autoscaler's affair from the first day
                selector=LabelSelectorArgs(match_labels=selector_of(service)),
                strategy=apps.v1.DeploymentStrategyArgs(
                    type="RollingUpdate",
                    rolling_update=apps.v1.RollingUpdateDeploymentArgs(max_surge=1, max_unavailable=0),
                ),
                revision_history_limit=5,
                progress_deadline_seconds=300,
                template=pod_template(
                    PodArgs(
                        service,
                        self._labels,
                        image=args.images.of(service),
                        pull_policy=pull_policy(args.images),
                        environment=environment,
                        claim=self._claim(),
                        past_the_mesh=_past_the_mesh(args),
                    )
                ),
            ),
            opts=self.child(account, timeouts=TIMEOUTS),
        )
        core.v1.Service(
            self.name,
            metadata=metadata,
            spec=core.v1.ServiceSpecArgs(
                selector=selector_of(service),
                ports=[
                    core.v1.ServicePortArgs(
                        name="http", port=PUBLIC_PORT, target_port="http", app_protocol="http"
                    )
                ],
            ),
            opts=self._child,
        )
        self._scale(deployment)
        Access(AccessArgs(args.system, service, args.database, args.kafka), self._child)
        Traffic(TrafficArgs(args.system, service), self._child)
        Watch(WatchArgs(args.system, service, args.runbooks), self._child)
        self.deployment = deployment
        self.register_outputs({"deployment": deployment.metadata.name})

    def _metadata(self, name: str | None, annotations: Mapping[str, str] | None = None) -> ObjectMetaArgs:
        return ObjectMetaArgs(
            name=name, namespace=self._args.system.namespace, labels=self._labels, annotations=annotations
        )

    def _environment(self) -> Environment:
        """The ConfigMap and the Secrets have names made by Pulumi: a change makes new ones, and so rolls the pods."""
        values = self._values()
        config = core.v1.ConfigMap(self.name, metadata=self._metadata(None), data=values, opts=self._child)
        secrets: list[tuple[pulumi.Input[str], str]] = []
        for variable, password in self._args.passwords.items():
            secret = core.v1.Secret(
                f"{self.name}-{variable.lower().replace('_', '-')}",
                metadata=self._metadata(None),
                type="Opaque",
                string_data={variable: password},
                opts=self._child,
            )
            secrets.append((secret.metadata.name.apply(str), variable))
        return Environment((config.metadata.name.apply(str), tuple(values)), tuple(secrets))

    def _values(self) -> dict[str, pulumi.Input[str]]:
        args, service = self._args, self._args.service
        values: dict[str, pulumi.Input[str]] = {
            "HOST": "0.0.0.0",  # noqa: S104 # the pod's own address is known to nobody before
            "PORT": str(PUBLIC_PORT),
            "ADMIN_HOST": "0.0.0.0",  # noqa: S104
            "ADMIN_PORT": str(ADMIN_PORT),
            "LOG_LEVEL": args.settings.log_level,
            "OTEL_EXPORTER_OTLP_ENDPOINT": f"http://{TRACES_HOST}:{TRACES_HTTP_PORT}",
            "OTEL_RESOURCE_ATTRIBUTES": f"service.namespace={args.system.namespace}",
            "OTEL_TRACES_SAMPLER": "parentbased_traceidratio",
            "OTEL_TRACES_SAMPLER_ARG": str(SAMPLED_PERCENT / 100),
        }
        if service.calls:
            called = [args.system.service(name) for name in service.calls]
            routes = {
                route: f"http://{each.kubernetes_name}:{PUBLIC_PORT}"
                for each in called
                for route in each.routes
            }
            values |= {
                "GATEWAY_NAME": service.local_name or service.name,
                "GATEWAY_ROUTES": json.dumps(routes),
            }
        if not service.database:
            return values
        values |= {
            "DATABASE_URL": args.database.url(service.name),
            "DATABASE_USER": service.name,
            **({"PGSSLROOTCERT": AUTHORITIES} if args.database.encrypted else {}),
            "KAFKA_BOOTSTRAP_SERVERS": args.kafka.bootstrap_servers,
            "KAFKA_SECURITY_PROTOCOL": args.kafka.protocol,
            "KAFKA_REPLICATION_FACTOR": str(args.kafka.replication_factor),
        }
        if args.kafka.ca is not None:
            values |= {"KAFKA_USER": service.kubernetes_name, "KAFKA_CA": args.kafka.ca}
        return values

    def _claim(self) -> pulumi.Output[str] | None:
        volume = self._args.service.volume
        if volume is None:
            return None
        claim = core.v1.PersistentVolumeClaim(
            f"{self.name}-data",
            metadata=self._metadata(f"{self._args.service.kubernetes_name}-data"),
            spec=core.v1.PersistentVolumeClaimSpecArgs(
                access_modes=["ReadWriteMany"],
                storage_class_name=self._args.storage_class,
                resources=core.v1.VolumeResourceRequirementsArgs(requests={"storage": volume.size}),
            ),
            opts=self.child(protect=self._args.protect, timeouts=TIMEOUTS),
        )
        return claim.metadata.name.apply(str)

    def _scale(self, deployment: apps.v1.Deployment) -> None:
        """By the application's own CPU: the sidecar's would count otherwise."""
        name, scaling = self._args.service.kubernetes_name, self._args.service.scaling
        after = self.child(deployment)
        autoscaling.v2.HorizontalPodAutoscaler(
            self.name,
            metadata=self._metadata(name),
            spec=autoscaling.v2.HorizontalPodAutoscalerSpecArgs(
                scale_target_ref=autoscaling.v2.CrossVersionObjectReferenceArgs(
                    api_version="apps/v1", kind="Deployment", name=name
                ),
                min_replicas=max(scaling.smallest, self._args.settings.smallest),
                max_replicas=scaling.largest,
                metrics=[
                    autoscaling.v2.MetricSpecArgs(
                        type="ContainerResource",
                        container_resource=autoscaling.v2.ContainerResourceMetricSourceArgs(
                            name="cpu",
                            container=CONTAINER,
                            target=autoscaling.v2.MetricTargetArgs(
                                type="Utilization", average_utilization=scaling.cpu_percent
                            ),
                        ),
                    )
                ],
                behavior=_behaviour(),
            ),
            opts=after,
        )
        policy.v1.PodDisruptionBudget(
            self.name,
            metadata=self._metadata(name),
            spec=policy.v1.PodDisruptionBudgetSpecArgs(
                max_unavailable=1,
                unhealthy_pod_eviction_policy="AlwaysAllow",
                selector=LabelSelectorArgs(match_labels=selector_of(self._args.service)),
            ),
            opts=self._child,
        )


def _past_the_mesh(args: WorkloadArgs) -> tuple[int, ...]:
    """Of what the service uses: the same ports that its NetworkPolicy lets out to PostgreSQL, Kafka and Jaeger: the
    sidecar would trace how traces are sent.
    """
    database = (args.database.port,) if args.service.database else ()
    kafka = args.kafka.ports if args.service.topics else ()
    return tuple(sorted({*database, *kafka, TRACES_HTTP_PORT}))


def pull_policy(images: ImageSource) -> str:
    return "Always" if images.can_be_pulled else "IfNotPresent"


def image_waivers(images: ImageSource, service: Service) -> dict[str, str]:
    """Annotations that checkov reads, for a pod with a service's image and a password in its environment."""
    rules = ["CKV_K8S_35"]
    if not images.is_pinned(service):
        rules.append("CKV_K8S_43")
    if not images.can_be_pulled:
        rules.append("CKV_K8S_15")
    return {f"checkov.io/skip{number}": f"{rule}={WAIVED[rule]}" for number, rule in enumerate(rules, 1)}


def _behaviour() -> autoscaling.v2.HorizontalPodAutoscalerBehaviorArgs:
    """Up at once, as many as are missing; down after a quiet minute, one at a time."""
    return autoscaling.v2.HorizontalPodAutoscalerBehaviorArgs(
        scale_up=autoscaling.v2.HPAScalingRulesArgs(
            stabilization_window_seconds=0,
            policies=[autoscaling.v2.HPAScalingPolicyArgs(type="Pods", value=2, period_seconds=15)],
        ),
        scale_down=autoscaling.v2.HPAScalingRulesArgs(
            stabilization_window_seconds=60,
            policies=[autoscaling.v2.HPAScalingPolicyArgs(type="Pods", value=1, period_seconds=30)],
        ),
    )
