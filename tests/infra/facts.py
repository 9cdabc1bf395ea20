"""What the outside world knows by another name than we do: written down here a second time, from its own sources."""

import json
import re
from collections.abc import Iterator
from typing import Any

from infra.recording import Program, Recorded

__all__ = ["misnamed"]

READS_AND_WRITES = (
    *("reception", "diagnosis", "examination", "patient-management"),
    *("order", "seat", "my-page"),
)
ACLS = {
    name: [
        ("topic", "clinic" if index < 4 else "reservation", ["Read", "Write", "Describe"]),
        ("group", name.replace("-", "_"), ["Read"]),
    ]
    for index, name in enumerate(READS_AND_WRITES)
}
"""By Kafka user. A service's group has its name."""

ROLES = {
    # learn.microsoft.com/azure/role-based-access-control/built-in-roles
    "kubelet-pulls-images": "7f951dda-4ed3-4680-a7ca-43fe172d538d",
    "cluster-uses-network": "4d97b98b-1d4f-4787-a291-c67834d212e7",
    "cluster-makes-shares": "17d1049b-9a84-46fb-8f53-869881c3d3ab",
    "pipeline-reads-state": "12338af0-0e69-4776-bea7-57ae8d297424",
    "pipeline-pushes-images": "8311e382-0749-4cb8-b61a-304f252e45ec",
    "administrators-1-read-state": "12338af0-0e69-4776-bea7-57ae8d297424",
    "pipeline-deploys": "b1ff04bb-8a4e-4dc4-8eb5-8693973ce19b",
}
BOOTSTRAP = "clinic-kafka-bootstrap.kafka.svc:9093"
"""Strimzi names the service after the cluster; the listener is ours."""


def misnamed(program: Program) -> Iterator[str]:
    yield from _kafka(program)
    yield from _passwords(program)
    yield from _databases(program)
    yield from _prometheus(program)
    yield from _routes(program)
    yield from _operators(program)
    yield from _pods(program)
    if any(each.kind == "ManagedCluster" for each in program.resources):
        yield from _azure(program)


def _kafka(program: Program) -> Iterator[str]:
    users = {each.object_name: each.inputs["spec"] for each in program.of_kind("KafkaUser")}
    cluster = next(program.of_kind("Kafka"), None)
    if cluster is None:
        return
    if not any(urn.endswith("::kafka-metrics") for urn in cluster.depends_on):
        yield "Kafka may ask for its metrics' ConfigMap before there is one"
    given = {
        name: [
            (acl["resource"]["type"], acl["resource"]["name"], acl["operations"])
            for acl in spec["authorization"]["acls"]
        ]
        for name, spec in users.items()
    }
    if given != ACLS:
        yield f"Kafka's users may {given}"
    for each in program.of_kind("ConfigMap"):
        address = each.inputs["data"].get("KAFKA_BOOTSTRAP_SERVERS", BOOTSTRAP)
        if address != BOOTSTRAP:
            yield f"{each.name}: Kafka is at {address}"


def _passwords(program: Program) -> Iterator[str]:
    """Each key of a Secret holds the setting that is meant for it: the values are made up from the settings' names."""
    for each in program.of_kind("Secret"):
        for key, value in each.inputs["stringData"].items():
            wanted = _setting(each, key)
            if wanted and value != f"made-up-{wanted}":
                yield f"{each.name}: {key} holds {value.removeprefix('made-up-')}, not {wanted}"


def _setting(secret: Recorded, key: str) -> str | None:
    service = secret.name.partition("-")[2]
    match key:
        case "DATABASE_PASSWORD":
            return f"databasePassword-{service.removesuffix('-database-password')}"
        case "KAFKA_PASSWORD":
            return f"kafkaPassword-{service.removesuffix('-kafka-password')}"
        case "ADMIN_TOKEN":
            return "adminToken"
        case "PGPASSWORD" | "POSTGRES_PASSWORD":
            return "databaseAdminPassword"
        case "admin-password":
            return "grafanaPassword"
        case "password":
            return f"kafkaPassword-{secret.name.removeprefix('kafka-password-')}"
        case _ if secret.name == "make-databases-passwords":
            return f"databasePassword-{key.replace('_', '-')}"
        case _:
            return None


def _databases(program: Program) -> Iterator[str]:
    """What the Job makes is what the services ask for."""
    made = next(each for each in program.of_kind("Secret") if each.name == "make-databases-passwords")
    asked = {
        (
            each.inputs["data"]["DATABASE_USER"],
            each.inputs["data"]["DATABASE_URL"].partition("?")[0].rpartition("/")[2],
        )
        for each in program.of_kind("ConfigMap")
        if "DATABASE_USER" in each.inputs["data"]
    }
    if asked != {(name, name) for name in made.inputs["stringData"]}:
        yield f"services ask for {sorted(asked)}, and there are {sorted(made.inputs['stringData'])}"
    for each in program.of_kind("ConfigMap"):
        url, trusted = each.inputs["data"].get("DATABASE_URL", ""), "PGSSLROOTCERT" in each.inputs["data"]
        if "ssl" in url and not (url.endswith("?ssl=verify-full") and trusted):
            yield f"{each.name}: the database does not prove who it is"
    for each in program.resources:
        mode = each.inputs.get("highAvailability", {}).get("mode")
        if each.custom and each.kind == "Server" and mode not in ("Disabled", "ZoneRedundant"):
            yield f"the server's other half is {mode}"


def _prometheus(program: Program) -> Iterator[str]:
    """Without these it takes only what its own chart made, or fills its disk and stands still."""
    for each in program.releases():
        if each.inputs["chart"] == "kube-prometheus-stack":
            spec: dict[str, Any] = each.inputs["values"]["prometheus"]["prometheusSpec"]
            for kind in ("podMonitor", "serviceMonitor", "rule", "probe"):
                if spec.get(f"{kind}SelectorNilUsesHelmValues") is not False:
                    yield f"Prometheus ignores each {kind} of ours"
            claim: dict[str, Any] = spec["storageSpec"]["volumeClaimTemplate"]["spec"]
            disk = int(claim["resources"]["requests"]["storage"].removesuffix("Gi")) * 1024
            # the operator's CRD: (K|M|G|T|E|P)i?B; prometheus.io/docs/prometheus/latest/storage: 80 to 85 % of the disk
            kept = re.fullmatch(r"([0-9]+)MB", spec.get("retentionSize", ""))
            if not kept or not 0.80 * disk <= int(kept[1]) <= 0.85 * disk:
                yield f"Prometheus keeps {spec.get('retentionSize')} on a disk of {disk} MiB"


def _operators(program: Program) -> Iterator[str]:
    for each in program.releases():
        context = each.inputs["values"].get("securityContext", {})
        if each.inputs["name"] == "strimzi" and context.get("readOnlyRootFilesystem") is not True:
            yield "Kafka's operator may write to its image"


def _routes(program: Program) -> Iterator[str]:
    """Longer than a service lets a command wait: its own answer must not be cut off."""
    for each in program.of_kind("VirtualService"):
        for route in each.inputs["spec"]["http"]:
            if route["timeout"] != "20s":
                yield f"{each.name}: a request is given up after {route['timeout']}"


def _pods(program: Program) -> Iterator[str]:
    for each in program.of_kind("Deployment"):
        template: dict[str, Any] = each.inputs["spec"]["template"]
        if each.namespace not in ("medical", "reservation"):
            continue
        sidecar = json.loads(template["metadata"]["annotations"]["proxy.istio.io/config"])
        if sidecar != {"holdApplicationUntilProxyStarts": True}:
            yield f"{each.name}: it begins before anything can be reached"
        for spread in template["spec"]["topologySpreadConstraints"]:
            if spread.get("matchLabelKeys") != ["pod-template-hash"]:
                yield f"{each.name}: pods of the version before count, and the new ones share a node"
        if template["spec"]["volumes"][0]["emptyDir"].get("sizeLimit") != "64Mi":
            yield f"{each.name}: it may fill its node's disk"
    for each in program.of_kind("DestinationRule"):
        if each.inputs["spec"]["trafficPolicy"]["outlierDetection"]["maxEjectionPercent"] > 50:
            yield f"{each.name}: nobody is left to call"
    for each in program.of_kind("StatefulSet"):
        if each.name == "postgresql":
            yield from _postgresql(each.inputs["spec"]["template"]["spec"])


def _postgresql(pod: dict[str, Any]) -> Iterator[str]:
    """As the image has them: github.com/docker-library/postgres, its Dockerfile for 18 on Alpine."""
    users = {pod["securityContext"][key] for key in ("runAsUser", "runAsGroup", "fsGroup")}
    if users != {70}:
        yield f"PostgreSQL runs as {users}"
    mounts = {each["name"]: each["mountPath"] for each in pod["containers"][0]["volumeMounts"]}
    if mounts["data"] != "/var/lib/postgresql":
        yield f"PostgreSQL keeps its data elsewhere than in {mounts['data']}"


def _outside_names(program: Program) -> Iterator[str]:
    """What Azure calls things."""
    text = json.dumps([each.inputs for each in program.resources])
    for name in (
        "6dae42f8-4368-4678-94ff-3960e28e3630",  # AKS in every directory: azure.github.io/kubelogin
        "Microsoft.DBforPostgreSQL/flexibleServers",
        "privatelink.file.core.windows.net",
        f"clinic-{program.stack}.private.postgres.database.azure.com",
        '"groupIds": ["file"]',
    ):
        if name not in text:
            yield f"nothing is named {name}"
    key = program.outputs["secretsProvider"]
    if not re.fullmatch(r"azurekeyvault://[a-z0-9-]{3,24}\.vault\.azure\.net/keys/pulumi", key):
        yield f"the state's key is {key}"
    key = program.outputs["signingKey"]
    if not re.fullmatch(r"azurekms://[a-z0-9-]{3,24}\.vault\.azure\.net/images", key):
        yield f"images are signed with {key}"


def _azure(program: Program) -> Iterator[str]:
    by_urn = {each.urn: each for each in program.resources}
    roles = {each.name: each for each in program.resources if each.kind == "RoleAssignment"}
    given = {name: each.inputs["roleDefinitionId"].rpartition("/")[2] for name, each in roles.items()}
    if given != ROLES:
        yield f"the roles on Azure are {given}"
    for each in program.resources:
        if each.kind == "Registry" and each.inputs.get("policies", {}).get("retentionPolicy"):
            yield "the registry deletes images that have no tag, and those that run are named by digest"
    cluster = next(each for each in program.resources if each.kind == "ManagedCluster")
    if "cluster-uses-network" not in {by_urn[urn].name for urn in cluster.depends_on}:
        yield "the cluster does not wait for its role in the network"
    pools = cluster.inputs["agentPoolProfiles"]
    if [each.get("nodeTaints") for each in pools] != [["CriticalAddonsOnly=true:NoSchedule"], None]:
        yield "services find no nodes, or the system's pods share theirs"
    yield from _outside_names(program)
    budget = next(each for each in program.resources if each.kind == "Budget")
    if budget.ignore_changes != ("timePeriod",):
        yield "the budget would move to another month, which Azure refuses"
    rules = next(each for each in program.resources if each.kind == "NetworkSecurityGroup")
    opened = {
        (each["direction"], each["protocol"], each["destinationPortRange"])
        for each in rules.inputs["securityRules"]
        if each["access"] == "Allow"
    }
    if opened != {("Inbound", "Tcp", "5432")}:
        yield f"the network lets pass {opened}"
