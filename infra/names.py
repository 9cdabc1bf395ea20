"""Names that several boxes have to agree on."""

__all__ = [
    "APP_USER",
    "ENTRANCE",
    "KAFKA_CLUSTER",
    "KAFKA_NAMESPACE",
    "MESH_NAMESPACE",
    "POD_RANGE",
    "POSTGRESQL_NAMESPACE",
    "PROJECT",
    "SERVICE_RANGE",
    "TOOLS_NAMESPACE",
    "entrance_account",
    "namespace_label",
]

PROJECT = "clinic"
"""As Pulumi.yaml has it: the settings' prefix, and the beginning of Azure's names."""
POD_RANGE = "10.244.0.0/16"
SERVICE_RANGE = "10.0.0.0/16"
"""Inside AKS; nothing else may have these addresses."""
MESH_NAMESPACE = "istio-system"
TOOLS_NAMESPACE = MESH_NAMESPACE
"""Grafana and the like stand beside Istio: an ingress reaches the services of its own namespace only."""
KAFKA_NAMESPACE = "kafka"
KAFKA_CLUSTER = "clinic"
POSTGRESQL_NAMESPACE = "postgresql"
ENTRANCE = "entrance"
"""The way into a system: its release, its account and the label `app` of its pods."""
APP_USER = 10001
"""Whom our images, and Jaeger's, run as; no user of the node has that number."""


def entrance_account(namespace: str) -> str:
    """The entrance of a namespace, as the mesh knows it."""
    return f"cluster.local/ns/{namespace}/sa/{ENTRANCE}"


def namespace_label(namespace: str) -> dict[str, str]:
    """The label that every namespace has by itself."""
    return {"kubernetes.io/metadata.name": namespace}
