"""What must hold of every resource of every stack: one set, for the tests and for Pulumi's engine alike."""

from collections.abc import Iterator, Mapping

from infra.cloud.rules import CLOUD_RULES
from infra.rule import Properties, Rule, Subject

__all__ = ["RULES", "findings"]

WORKLOADS = ("apps/v1:Deployment", "apps/v1:StatefulSet", "batch/v1:Job")
LEAST_IN_SYNC = {
    "default.replication.factor": "min.insync.replicas",
    "transaction.state.log.replication.factor": "transaction.state.log.min.isr",
}
OPEN_ENTRANCES = ("entrance",)
"""Releases that everybody may reach; all other external addresses name who may."""


def findings(subject: Subject) -> list[str]:
    """Everything that is wrong with a resource."""
    return [f"{subject.name}: {rule.name}: {problem}" for rule in RULES for problem in rule.check(subject)]


def _pod(subject: Subject) -> Properties:
    return subject.spec["template"]["spec"] if subject.is_a(*WORKLOADS) else {}


def _containers(subject: Subject) -> list[Properties]:
    return list(_pod(subject).get("containers", []))


def _unprivileged(subject: Subject) -> Iterator[str]:
    if not subject.is_a(*WORKLOADS):
        return
    pod: Properties = _pod(subject).get("securityContext", {})
    if pod.get("runAsNonRoot") is not True or not pod.get("runAsUser"):
        yield "the pod may run as root"
    if pod.get("fsGroup") == 0:
        yield "the pod's files belong to root"
    if pod.get("seccompProfile", {}).get("type") != "RuntimeDefault":
        yield "the pod has no seccomp profile"
    for container in _containers(subject):
        context: Properties = container.get("securityContext", {})
        if context.get("allowPrivilegeEscalation") is not False:
            yield f"container {container['name']} may gain privileges"
        if context.get("readOnlyRootFilesystem") is not True:
            yield f"container {container['name']} may write to its image"
        if context.get("capabilities", {}).get("drop") != ["ALL"]:
            yield f"container {container['name']} keeps capabilities"


def _no_token(subject: Subject) -> Iterator[str]:
    if subject.is_a(*WORKLOADS) and _pod(subject).get("automountServiceAccountToken") is not False:
        yield "the pod gets a token for the API server"


def _bounded(subject: Subject) -> Iterator[str]:
    for container in _containers(subject):
        resources: Properties = container.get("resources", {})
        for kind in ("requests", "limits"):
            missing = {"cpu", "memory"} - set(resources.get(kind, {}))
            if missing:
                yield f"container {container['name']} has no {kind} of {' and '.join(sorted(missing))}"


def _probed(subject: Subject) -> Iterator[str]:
    if subject.is_a("batch/v1:Job"):
        return
    for container in _containers(subject):
        for probe in ("readinessProbe", "livenessProbe"):
            if probe not in container:
                yield f"container {container['name']} has no {probe}"


def _pinned(subject: Subject) -> Iterator[str]:
    """From the registry on Azure by digest alone; elsewhere a tag will do, if it says something."""
    for container in _containers(subject):
        image = str(container.get("image", ""))
        tag = image.rpartition("/")[2].partition("@")[0].partition(":")[2]
        moves = tag in ("", "latest") or image.partition("/")[0].endswith(".azurecr.io")
        if "@sha256:" not in image and moves:
            yield f"container {container['name']} takes whatever {image} is"


def _drains(subject: Subject) -> Iterator[str]:
    if subject.is_a("policy/v1:PodDisruptionBudget"):
        if subject.spec.get("maxUnavailable") != 1:
            yield "its node is never drained, or takes too many pods along"
        if subject.spec.get("unhealthyPodEvictionPolicy") != "AlwaysAllow":
            yield "a pod that does not serve keeps its node from being drained"
    if not subject.is_a("apps/v1:Deployment") or not subject.name.startswith(("medical-", "reservation-")):
        return
    strategy: Properties = subject.spec.get("strategy", {}).get("rollingUpdate", {})
    if strategy.get("maxUnavailable") != 0:
        yield "a rolling update takes a pod away before its successor serves"
    for container in _containers(subject):
        sleep = container.get("lifecycle", {}).get("preStop", {}).get("sleep", {}).get("seconds", 0)
        if sleep < 3:
            yield "a pod ends before the proxies know it"
        if _pod(subject).get("terminationGracePeriodSeconds", 30) < sleep + 10:
            yield "a pod is killed before it has drained"
    if "replicas" in subject.spec:
        yield "replicas are the autoscaler's affair"


def _named(subject: Subject) -> Iterator[str]:
    if not subject.type.startswith("kubernetes:") or "apiVersion" not in subject.inputs:
        return
    metadata: Properties = subject.inputs.get("metadata", {})
    cluster_wide = subject.is_a("core/v1:Namespace", "storage.k8s.io/v1:StorageClass")
    if not cluster_wide and metadata.get("namespace", "default") == "default":
        yield "it goes to the namespace default"


def _restricted_namespace(subject: Subject) -> Iterator[str]:
    if subject.is_a("core/v1:Namespace"):
        labels: Properties = subject.inputs["metadata"].get("labels", {})
        level = labels.get("pod-security.kubernetes.io/enforce")
        if level != "restricted" and subject.name != "istio-system":
            yield f"its pods are let do what is {level or 'anything'}"


def _known_to_whom(subject: Subject) -> Iterator[str]:
    if subject.is_a("core/v1:Service"):
        spec = subject.spec
        if spec.get("type") == "LoadBalancer" and not spec.get("loadBalancerSourceRanges"):
            yield "everybody reaches it"
    if subject.type.startswith("kubernetes:helm.sh/") and subject.inputs.get("name") not in OPEN_ENTRANCES:
        yield from (f"everybody reaches its {where}" for where in _open_services(subject.inputs["values"]))


def _open_services(values: object, where: str = "") -> Iterator[str]:
    if not isinstance(values, Mapping):
        return
    if values.get("type") == "LoadBalancer" and not values.get("loadBalancerSourceRanges"):
        yield where or "service"
    for key, each in values.items():
        yield from _open_services(each, f"{where}.{key}".removeprefix("."))


def _versioned(subject: Subject) -> Iterator[str]:
    if subject.type.startswith("kubernetes:helm.sh/"):
        if not subject.inputs.get("version"):
            yield "the chart has no version"
        if subject.inputs.get("atomic") is not True:
            yield "a chart that fails stays half there"


def _mutual_tls(subject: Subject) -> Iterator[str]:
    strict = subject.spec.get("mtls", {}).get("mode") == "STRICT"
    if subject.is_a("security.istio.io/v1:PeerAuthentication") and not strict:
        yield "who has no certificate is let in"
    mutual = subject.spec.get("trafficPolicy", {}).get("tls", {}).get("mode") == "ISTIO_MUTUAL"
    if subject.is_a("networking.istio.io/v1:DestinationRule") and not mutual:
        yield "it is called in clear"


def _repeats_safely(subject: Subject) -> Iterator[str]:
    if not subject.is_a("networking.istio.io/v1:VirtualService"):
        return
    for route in subject.spec.get("http", []):
        if "timeout" not in route:
            yield "a route has no time limit"
        reads = all(match.get("method", {}).get("regex") == "GET|HEAD" for match in route.get("match", [{}]))
        repeated = set(route.get("retries", {}).get("retryOn", "").split(","))
        if not reads and not repeated <= {"connect-failure", "refused-stream"}:
            yield "a request that may have had its effect is sent again"


def _remembers(subject: Subject) -> Iterator[str]:
    if subject.is_a("kafka.strimzi.io/v1:KafkaTopic"):
        config: Properties = subject.spec.get("config", {})
        if config.get("retention.ms") != -1 or config.get("retention.bytes") != -1:
            yield "it forgets: views could not be rebuilt from the start"
        if subject.spec.get("partitions") != 24:
            yield "the number of partitions is 24 for ever"


def _keeps(subject: Subject) -> Iterator[str]:
    if subject.is_a("kafka.strimzi.io/v1:KafkaNodePool"):
        for volume in subject.spec["storage"]["volumes"]:
            if volume.get("deleteClaim") is not False:
                yield "its disks go with it"
    if subject.is_a("kafka.strimzi.io/v1:Kafka"):
        brokers: Properties = subject.spec["kafka"]["config"]
        if brokers.get("log.retention.ms") != -1:
            yield "a topic that says nothing of it forgets"
        for factor, least in LEAST_IN_SYNC.items():
            if brokers.get(least) != (2 if brokers.get(factor, 1) > 1 else 1):
                yield f"{least} is {brokers.get(least)}, with {brokers.get(factor)} replicas"


def _knows_users(subject: Subject) -> Iterator[str]:
    if subject.is_a("kafka.strimzi.io/v1:Kafka"):
        kafka: Properties = subject.spec["kafka"]
        if kafka.get("authorization", {}).get("type") != "simple":
            yield "everybody may do everything"
        if kafka.get("config", {}).get("auto.create.topics.enable") is not False:
            yield "a misspelt topic is made"
        for listener in kafka["listeners"]:
            if not listener.get("tls") or not listener.get("authentication"):
                yield f"listener {listener['name']} lets in who has no password, or in clear"


def _scales(subject: Subject) -> Iterator[str]:
    if subject.is_a("autoscaling/v2:HorizontalPodAutoscaler"):
        for metric in subject.spec.get("metrics", []):
            if metric["type"] != "ContainerResource":
                yield "the sidecar's CPU counts"
        down: Properties = subject.spec.get("behavior", {}).get("scaleDown", {})
        if not down.get("stabilizationWindowSeconds"):
            yield "it takes pods away as fast as it adds them"


RULES = (
    Rule("unprivileged", "a service that is broken into can do little", _unprivileged),
    Rule("no-token", "no service asks the API server for anything", _no_token),
    Rule("bounded", "one service can't starve the others", _bounded),
    Rule("probed", "Kubernetes can tell who serves and who hangs", _probed),
    Rule("pinned", "the same program gives the same pods", _pinned),
    Rule("drains", "an update loses no request", _drains),
    Rule("named", "everything has a place", _named),
    Rule(
        "restricted-namespace",
        "the API server refuses what the other rules would miss",
        _restricted_namespace,
    ),
    Rule("known-to-whom", "who reaches a tool is written down", _known_to_whom),
    Rule("versioned", "charts change when we say so", _versioned),
    Rule("mutual-tls", "services know who calls", _mutual_tls),
    Rule("repeats-safely", "nothing is done twice", _repeats_safely),
    Rule("remembers", "the log is the truth", _remembers),
    Rule("keeps", "the log outlives a broker", _keeps),
    Rule("knows-users", "a service reads and writes what its row says", _knows_users),
    Rule("scales", "pods follow the load", _scales),
    *CLOUD_RULES,
)
