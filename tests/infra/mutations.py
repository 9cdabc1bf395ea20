"""Single mistakes, put into a recorded program: where, and what stands there instead."""

import copy
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

from infra.recording import Program, Recorded

__all__ = ["GONE", "MUTATIONS", "Mutation", "mutated"]

GONE = object()
"""In place of a value: the key is taken out."""


@dataclass(frozen=True)
class Mutation:
    """`resource` is `Kind/name`; the path's steps are keys and indexes."""

    resource: str
    path: str
    value: object
    stack: str = "local"

    def __str__(self) -> str:
        return f"{self.stack}-{self.resource}-{self.path}-{'gone' if self.value is GONE else self.value}"


def mutated(program: Program, mutation: Mutation) -> Program:
    """The program with the mistake. Raises `LookupError` when there is nothing at that place."""
    kind, _, name = mutation.resource.partition("/")
    victims = [each for each in program.resources if each.custom and (each.kind, each.name) == (kind, name)]
    if len(victims) != 1:
        raise LookupError(f"{mutation.resource} is there {len(victims)} times")
    spoilt = _spoilt(victims[0], mutation)
    return replace(
        program, resources=tuple(spoilt if each is victims[0] else each for each in program.resources)
    )


def _spoilt(victim: Recorded, mutation: Mutation) -> Recorded:
    if mutation.path == "secret":
        return replace(victim, secrets=frozenset())
    if mutation.path == "protect":
        return replace(victim, protect=bool(mutation.value))
    if mutation.path == "depends_on":
        return replace(victim, depends_on=())
    inputs = copy.deepcopy(victim.inputs)
    *steps, last = mutation.path.split("/")
    value: Any = inputs
    for step in steps:
        value = value[_key(value, step)]
    key = _key(value, last)
    if mutation.value is GONE:
        del value[key]
    else:
        value[key] = mutation.value
    return replace(victim, inputs=inputs)


def _key(value: object, step: str) -> Any:
    return int(step) if isinstance(value, Sequence) else step.replace("~1", "/")


POD = "spec/template/spec"
APP = f"{POD}/containers/0"
DIAGNOSIS = "Deployment/medical-diagnosis"
SEAT = "Deployment/reservation-seat"

MUTATIONS = (
    # a field that does not exist, or of the wrong kind
    Mutation(DIAGNOSIS, "spec/replica", 2),
    Mutation(DIAGNOSIS, f"{APP}/imagePullPolice", "Always"),
    Mutation(DIAGNOSIS, f"{APP}/readinessProbe/httpGet/pth", "/diagnoses"),
    Mutation(DIAGNOSIS, f"{APP}/readinessProbe/periodSeconds", "5s"),
    Mutation("Service/medical-diagnosis", "spec/ports/0/port", "http"),
    Mutation("HorizontalPodAutoscaler/medical-diagnosis", "spec/maxReplicas", "three"),
    Mutation("PersistentVolumeClaim/medical-diagnosis-data", "spec/accessMode", "ReadWriteMany"),
    Mutation("NetworkPolicy/medical-diagnosis", "spec/egres", []),
    Mutation("PodDisruptionBudget/medical-diagnosis", "spec/maxUnavailable", {}),
    Mutation("StatefulSet/postgresql", f"{POD}/containers/0/env/0/valu", "x"),
    Mutation("Ingress/tools", "spec/rules/0/http/paths/0/pathType", GONE),
    # references
    Mutation(DIAGNOSIS, f"{APP}/ports/0/name", "htpp"),
    Mutation(DIAGNOSIS, f"{APP}/livenessProbe/httpGet/port", "admn"),
    Mutation(DIAGNOSIS, f"{POD}/serviceAccountName", "diagnose"),
    Mutation(DIAGNOSIS, f"{APP}/env/4/valueFrom/configMapKeyRef/key", "LOGLEVEL"),
    Mutation(DIAGNOSIS, f"{APP}/env/4/valueFrom/configMapKeyRef/name", "medical-diagnosis"),
    Mutation(DIAGNOSIS, f"{POD}/volumes/1/persistentVolumeClaim/claimName", "data"),
    Mutation(DIAGNOSIS, f"{APP}/volumeMounts/1/name", "date"),
    Mutation("Service/medical-diagnosis", "spec/ports/0/targetPort", "web"),
    Mutation("Service/medical-diagnosis", "spec/selector/app", "diagnoses"),
    Mutation("HorizontalPodAutoscaler/medical-diagnosis", "spec/scaleTargetRef/name", "diagnoses"),
    Mutation(
        "HorizontalPodAutoscaler/medical-diagnosis", "spec/metrics/0/containerResource/container", "server"
    ),
    Mutation("PodMonitor/medical-diagnosis", "spec/podMetricsEndpoints/0/port", "metrics"),
    Mutation("NetworkPolicy/medical-diagnosis", "spec/podSelector/matchLabels/app", "diagnoses"),
    Mutation(
        "VirtualService/medical-entrance",
        "spec/http/0/route/0/destination/host",
        "diagnose.medical.svc.cluster.local",
    ),
    Mutation("VirtualService/medical-diagnosis", "spec/http/0/route/0/destination/port/number", 8081),
    Mutation("VirtualService/medical-entrance", "spec/gateways/0", "door"),
    Mutation("Ingress/tools", "spec/rules/0/http/paths/1/backend/service/port/number", 80),
    Mutation("ConfigMap/medical-gateway", "data/GATEWAY_ROUTES", '{"/receptions": "http://receptions:8080"}'),
    Mutation("KafkaUser/kafka-diagnosis", "spec/authorization/acls/0/resource/name", "clinics"),
    Mutation("KafkaTopic/kafka-clinic", "metadata/name", "clinics"),
    Mutation("KafkaUser/kafka-diagnosis", "metadata/labels/strimzi.io~1cluster", "clinics"),
    Mutation("Kafka/kafka-clinic", "depends_on", None),
    Mutation("AuthorizationPolicy/medical-diagnosis", "depends_on", None),
    # secrets
    Mutation("Secret/medical-diagnosis-database-password", "secret", None),
    Mutation("Secret/kafka-password-diagnosis", "secret", None),
    Mutation(
        "ConfigMap/medical-diagnosis",
        "data/DATABASE_URL",
        "postgresql://diagnosis:made-up-databasePassword-diagnosis@h/diagnosis",
    ),
    # what the rows and the rules say
    Mutation(DIAGNOSIS, f"{APP}/readinessProbe/httpGet/path", "/health"),
    Mutation(DIAGNOSIS, f"{APP}/readinessProbe/failureThreshold", 3),
    Mutation(DIAGNOSIS, f"{APP}/livenessProbe", GONE),
    Mutation(DIAGNOSIS, f"{APP}/args/3", "services.clinic.reception.app:app"),
    Mutation(DIAGNOSIS, f"{APP}/securityContext/readOnlyRootFilesystem", False),
    Mutation(DIAGNOSIS, f"{POD}/securityContext/runAsNonRoot", GONE),
    Mutation(DIAGNOSIS, f"{APP}/resources/limits", {}),
    Mutation(DIAGNOSIS, f"{APP}/lifecycle", GONE),
    Mutation(DIAGNOSIS, "spec/replicas", 2),
    Mutation(SEAT, "spec/strategy/rollingUpdate/maxUnavailable", 1),
    Mutation(SEAT, f"{APP}/image", "seat:latest"),
    Mutation("HorizontalPodAutoscaler/reservation-seat", "spec/maxReplicas", 5),
    Mutation(
        "HorizontalPodAutoscaler/reservation-seat",
        "spec/metrics/0/containerResource/target/averageUtilization",
        80,
    ),
    Mutation("PersistentVolumeClaim/reservation-seat-data", "spec/accessModes", ["ReadWriteOnce"]),
    Mutation("ConfigMap/reservation-seat", "data/PORT", "80"),
    Mutation("AuthorizationPolicy/reservation-seat", "spec/rules/0/from/0/source/principals", ["*/*/*/*/*"]),
    Mutation("PeerAuthentication/medical-default", "spec/mtls/mode", "PERMISSIVE"),
    Mutation("VirtualService/medical-diagnosis", "spec/http/1/retries/retryOn", "5xx"),
    Mutation("KafkaTopic/kafka-clinic", "spec/partitions", 12),
    Mutation("KafkaTopic/kafka-clinic", "spec/config/retention.ms", 604800000),
    Mutation("KafkaUser/kafka-my-page", "spec/authorization/acls/0/operations", ["All"]),
    Mutation("Kafka/kafka-clinic", "spec/kafka/listeners/0/tls", False),
    Mutation("Namespace/medical", "metadata/labels/pod-security.kubernetes.io~1enforce", "privileged"),
    Mutation("Service/jaeger-query", "spec/type", "LoadBalancer"),
    # Azure
    Mutation("Server/database-server", "network/publicNetworkAccess", "Enabled", stack="prod"),
    Mutation("Server/database-server", "highAvailability/mode", "Disabled", stack="prod"),
    Mutation("Server/database-server", "protect", False, stack="prod"),
    Mutation("KafkaNodePool/kafka-nodes", "protect", False, stack="prod"),
    Mutation("Namespace/medical", "protect", False, stack="prod"),
    Mutation("Namespace/istio-system", "protect", False, stack="prod"),
    Mutation("ManagedCluster/cluster", "disableLocalAccounts", False, stack="prod"),
    Mutation("ManagedCluster/cluster", "tags", {}, stack="dev"),
    Mutation("ManagedCluster/cluster", "agentPoolProfiles/1/availabilityZones", [], stack="prod"),
    Mutation("StorageAccount/files", "publicNetworkAccess", "Enabled", stack="dev"),
    Mutation("Registry/registry", "adminUserEnabled", True, stack="dev"),
)
