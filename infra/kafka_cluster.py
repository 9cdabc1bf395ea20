"""The log: Kafka by Strimzi, a topic per system, a user per service with the rights its row asks for."""

import base64
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import pulumi
from pulumi_kubernetes import core
from pulumi_kubernetes.meta.v1 import ObjectMetaArgs

from infra.addresses import KafkaAddress, Peer
from infra.box import Box
from infra.charts import RESTRICTED, Release, ReleaseArgs
from infra.kafka_metrics import kafka_metrics
from infra.kinds.strimzi import (
    Acl,
    AclResource,
    Kafka,
    KafkaBrokers,
    KafkaNodePool,
    KafkaNodePoolSpec,
    KafkaSpec,
    KafkaTopic,
    KafkaTopicSpec,
    KafkaUser,
    KafkaUserSpec,
    Listener,
)
from infra.names import KAFKA_CLUSTER, KAFKA_NAMESPACE, namespace_label
from infra.namespaces import Namespace, NamespaceArgs
from infra.stores import Kafka as KafkaSettings
from infra.systems import Service, System
from infra.versions import KAFKA, STRIMZI

__all__ = ["KafkaCluster", "KafkaClusterArgs", "acls_of", "given_kafka"]

PARTITIONS = 24
"""For ever: with another number, keys move to other partitions."""
LISTENER_PORT = 9093
OF_THE_CLUSTER = {"strimzi.io/cluster": KAFKA_CLUSTER}


@dataclass(frozen=True)
class KafkaClusterArgs:
    """`passwords` are by a service's Kubernetes name."""

    settings: KafkaSettings
    systems: Sequence[System]
    passwords: Mapping[str, pulumi.Output[str]]
    disk_class: str | None
    protect: bool


class KafkaCluster(Box):
    """Operator, nodes, topics and users. `address` is for the services."""

    def __init__(self, args: KafkaClusterArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("clinic:kafka:Cluster", "kafka", opts)
        namespace = Namespace(
            NamespaceArgs(KAFKA_NAMESPACE, closed=False, protect=args.protect),
            self.child(),
        )
        operator = Release(
            "strimzi",
            ReleaseArgs(STRIMZI, KAFKA_NAMESPACE, _operator_values(), release_name="strimzi"),
            opts=self.child(namespace),
        )
        pool = KafkaNodePool(
            "nodes",
            _nodes(args),
            namespace=KAFKA_NAMESPACE,
            labels=OF_THE_CLUSTER,
            opts=self.child(operator, protect=args.protect),
        )
        exported, metrics = kafka_metrics(self.child(namespace))
        cluster = Kafka(
            KAFKA_CLUSTER,
            _cluster(args, metrics),
            namespace=KAFKA_NAMESPACE,
            annotations={"pulumi.com/waitFor": "condition=Ready"},
            opts=self.child(
                operator,
                pool,
                exported,
                protect=args.protect,
                timeouts=pulumi.CustomTimeouts(create="15m", update="30m"),
            ),
        )
        within = self.child(cluster)
        for system in args.systems:
            _topic(system, min(args.settings.nodes, 3), args.protect, within)
            for service in system.services:
                if service.topics:
                    _user(service, args.passwords[service.kubernetes_name], within)
        self.address = KafkaAddress(
            bootstrap_servers=f"{KAFKA_CLUSTER}-kafka-bootstrap.{KAFKA_NAMESPACE}.svc:{LISTENER_PORT}",
            protocol="SASL_SSL",
            ports=(LISTENER_PORT,),
            peer=Peer(namespace=KAFKA_NAMESPACE),
            replication_factor=min(args.settings.nodes, 3),
            ca=_authority(cluster, within),
        )
        self.register_outputs({"bootstrap_servers": self.address.bootstrap_servers})


def given_kafka(settings: KafkaSettings) -> KafkaAddress:
    """Brokers by address, spoken to in clear."""
    assert settings.bootstrap_servers is not None and settings.replication_factor is not None
    servers = settings.bootstrap_servers.split(",")
    return KafkaAddress(
        bootstrap_servers=settings.bootstrap_servers,
        protocol="PLAINTEXT",
        ports=tuple(sorted({int(server.rpartition(":")[2]) for server in servers})),
        peer=Peer(cidr=settings.address_range),
        replication_factor=settings.replication_factor,
    )


def acls_of(service: Service) -> list[Acl]:
    """What its row asks for, and no more; `Describe` comes with both."""
    acls = [
        Acl(
            AclResource("topic", topic),
            [
                *(["Read"] if topic in service.reads else []),
                *(["Write"] if topic in service.writes else []),
                "Describe",
            ],
        )
        for topic in service.topics
    ]
    return [*acls, Acl(AclResource("group", service.name), ["Read"])] if service.reads else acls


def _user(service: Service, password: pulumi.Output[str], opts: pulumi.ResourceOptions) -> None:
    """The password is ours, so that the service can have it too: Strimzi's own stays in Kafka's namespace."""
    secret = core.v1.Secret(
        f"kafka-password-{service.kubernetes_name}",
        metadata=ObjectMetaArgs(namespace=KAFKA_NAMESPACE),
        type="Opaque",
        string_data={"password": password},
        opts=opts,
    )
    reference = {"secretKeyRef": {"name": secret.metadata.name, "key": "password"}}
    KafkaUser(
        service.kubernetes_name,
        KafkaUserSpec(
            authentication={"type": "scram-sha-512", "password": {"valueFrom": reference}},
            authorization={"type": "simple", "acls": acls_of(service)},
        ),
        namespace=KAFKA_NAMESPACE,
        labels=OF_THE_CLUSTER,
        opts=opts,
    )


def _topic(system: System, replicas: int, protect: bool, opts: pulumi.ResourceOptions) -> None:
    KafkaTopic(
        system.topic,
        KafkaTopicSpec(
            partitions=PARTITIONS,
            replicas=replicas,
            config={
                "retention.ms": -1,
                "retention.bytes": -1,
                "min.insync.replicas": 2 if replicas > 1 else 1,
            },
        ),
        namespace=KAFKA_NAMESPACE,
        labels=OF_THE_CLUSTER,
        opts=pulumi.ResourceOptions.merge(opts, pulumi.ResourceOptions(protect=protect)),
    )


def _authority(cluster: Kafka, opts: pulumi.ResourceOptions) -> pulumi.Output[str]:
    """The certificate that Strimzi made for the cluster, once it is there."""
    secret = core.v1.Secret.get(
        "kafka-authority",
        cluster.id.apply(lambda _: f"{KAFKA_NAMESPACE}/{KAFKA_CLUSTER}-cluster-ca-cert"),
        opts=opts,
    )
    decoded = secret.data.apply(lambda data: _decoded(data["ca.crt"]))
    return pulumi.Output.unsecret(decoded)


def _decoded(value: str) -> str:
    return base64.b64decode(value).decode()


def _operator_values() -> dict[str, object]:
    return {
        "watchAnyNamespace": False,
        "podSecurityContext": {"runAsNonRoot": True, "seccompProfile": {"type": "RuntimeDefault"}},
        "securityContext": RESTRICTED,
        "resources": {
            "requests": {"cpu": "100m", "memory": "384Mi"},
            "limits": {"cpu": "1", "memory": "512Mi"},
        },
        "extraEnvs": [{"name": "STRIMZI_POD_SECURITY_PROVIDER_CLASS", "value": "restricted"}],
    }


def _nodes(args: KafkaClusterArgs) -> KafkaNodePoolSpec:
    disk = {"id": 0, "type": "persistent-claim", "size": args.settings.storage, "deleteClaim": False}
    if args.disk_class:
        disk["class"] = args.disk_class
    return KafkaNodePoolSpec(
        replicas=args.settings.nodes,
        roles=["controller", "broker"],
        storage={"type": "jbod", "volumes": [{**disk, "kraftMetadata": "shared"}]},
        resources={
            "requests": {"cpu": "200m", "memory": args.settings.memory},
            "limits": {"cpu": "2", "memory": args.settings.memory},
        },
        jvm_options=dict.fromkeys(("-Xms", "-Xmx"), f"{args.settings.heap_mebibytes}m"),
        template={
            "pod": {
                "terminationGracePeriodSeconds": 120,
                "topologySpreadConstraints": [
                    {
                        "maxSkew": 1,
                        "topologyKey": key,
                        "whenUnsatisfiable": "ScheduleAnyway",
                        "labelSelector": {"matchLabels": OF_THE_CLUSTER},
                    }
                    for key in ("topology.kubernetes.io/zone", "kubernetes.io/hostname")
                ],
            }
        },
    )


def _cluster(args: KafkaClusterArgs, metrics: dict[str, Any]) -> KafkaSpec:
    replicas = min(args.settings.nodes, 3)
    peers = [
        {"namespaceSelector": {"matchLabels": namespace_label(system.namespace)}} for system in args.systems
    ]
    small = {"requests": {"cpu": "50m", "memory": "256Mi"}, "limits": {"cpu": "500m", "memory": "384Mi"}}
    return KafkaSpec(
        kafka=KafkaBrokers(
            version=KAFKA,
            listeners=[
                Listener(
                    name="services",
                    port=LISTENER_PORT,
                    type="internal",
                    tls=True,
                    authentication={"type": "scram-sha-512"},
                    network_policy_peers=peers,
                )
            ],
            authorization={"type": "simple"},
            config={
                "auto.create.topics.enable": False,
                "num.partitions": PARTITIONS,
                "default.replication.factor": replicas,
                "min.insync.replicas": 2 if replicas > 1 else 1,
                "offsets.topic.replication.factor": replicas,
                "transaction.state.log.replication.factor": replicas,
                "transaction.state.log.min.isr": 2 if replicas > 1 else 1,
                "log.retention.ms": -1,
            },
            metrics_config=metrics,
        ),
        entity_operator={"topicOperator": {"resources": small}, "userOperator": {"resources": small}},
        kafka_exporter={"topicRegex": ".*", "groupRegex": ".*", "resources": small},
    )
