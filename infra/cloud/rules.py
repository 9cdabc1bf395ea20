"""Rules of what Azure provides, and of what has to outlast a mistake."""

from collections.abc import Iterator

from infra.rule import Properties, Rule, Subject

__all__ = ["CLOUD_RULES"]


def _closed_azure(subject: Subject) -> Iterator[str]:
    inputs = subject.inputs
    if subject.is_a("storage:StorageAccount"):
        if (
            inputs.get("publicNetworkAccess") != "Disabled"
            or inputs.get("allowBlobPublicAccess") is not False
        ):
            yield "the internet reaches it"
        if inputs.get("enableHttpsTrafficOnly") is not True or inputs.get("minimumTlsVersion") != "TLS1_2":
            yield "it speaks in clear"
    if subject.is_a("dbforpostgresql:Server") and (
        inputs.get("network", {}).get("publicNetworkAccess") != "Disabled"
    ):
        yield "the internet reaches it"
    if subject.is_a("containerregistry:Registry") and inputs.get("adminUserEnabled") is not False:
        yield "it has an account with a password"
    if subject.is_a("keyvault:Vault"):
        properties: Properties = inputs["properties"]
        if not properties.get("enablePurgeProtection") or not properties.get("enableRbacAuthorization"):
            yield "its keys can be lost or lent without a trace"


def _sound_cluster(subject: Subject) -> Iterator[str]:
    if not subject.is_a("containerservice:ManagedCluster"):
        return
    inputs = subject.inputs
    if inputs.get("disableLocalAccounts") is not True or not inputs.get("aadProfile", {}).get(
        "enableAzureRBAC"
    ):
        yield "somebody gets in without Entra"
    if not inputs.get("oidcIssuerProfile", {}).get("enabled"):
        yield "workloads have no identity"
    if not inputs.get("networkProfile", {}).get("networkPolicy"):
        yield "network policies are ignored"
    for pool in inputs["agentPoolProfiles"]:
        if not pool.get("enableAutoScaling") or pool["minCount"] > pool["maxCount"]:
            yield f"pool {pool['name']} does not scale"
        if subject.keeps and len(pool.get("availabilityZones", [])) < 3:
            yield f"pool {pool['name']} is gone with its zone"


def _tagged(subject: Subject) -> Iterator[str]:
    taggable = (
        "resources:ResourceGroup",
        "network:VirtualNetwork",
        "containerservice:ManagedCluster",
        "containerregistry:Registry",
        "dbforpostgresql:Server",
        "storage:StorageAccount",
        "keyvault:Vault",
        "operationalinsights:Workspace",
    )
    if subject.is_a(*taggable):
        missing = {"project", "environment", "managed-by"} - set(subject.inputs.get("tags", {}))
        if missing:
            yield f"nobody knows whose it is: {', '.join(sorted(missing))}"


def _kept(subject: Subject) -> Iterator[str]:
    holds_data = (
        "dbforpostgresql:Server",
        "storage:StorageAccount",
        "containerservice:ManagedCluster",
        "core/v1:Namespace",
        "core/v1:PersistentVolumeClaim",
        "apps/v1:StatefulSet",
        "kafka.strimzi.io/v1:Kafka",
        "kafka.strimzi.io/v1:KafkaNodePool",
        "kafka.strimzi.io/v1:KafkaTopic",
        "keyvault:Vault",
    )
    if not subject.keeps:
        return
    if subject.is_a(*holds_data) and subject.protect is False:
        yield "a mistake could delete it"
    doubled = subject.inputs.get("highAvailability", {}).get("mode") == "ZoneRedundant"
    if subject.is_a("dbforpostgresql:Server") and not doubled:
        yield "it is gone with its zone"
    if subject.is_a("kafka.strimzi.io/v1:KafkaTopic") and subject.spec.get("replicas", 1) < 3:
        yield "it is gone with its broker"


CLOUD_RULES = (
    Rule("closed-azure", "what holds data is reached from the network alone", _closed_azure),
    Rule("sound-cluster", "the cluster has no back door", _sound_cluster),
    Rule("tagged", "a bill can be explained", _tagged),
    Rule("kept", "what can't be made again is not deleted", _kept),
)
