"""What a recorded program refers to and does not have: names, keys, ports, selectors, topics, accounts."""

import json
from collections.abc import Iterator, Mapping
from typing import Any

from infra.recording import Program, Recorded

Labels = Mapping[str, str]
OF_CHARTS = {
    ("istio-system", "grafana", 3000),
    ("istio-system", "kiali", 20001),
    ("istio-system", "loki", 3100),
    ("istio-system", "monitoring-prometheus", 9090),
}
"""Services that charts make, under the names that our values give them."""
ENTRANCE = {"app": "entrance", "istio": "entrance"}
SCRAPED_OF_OTHERS = ("istio-system", "kafka")
"""Where pods are made by charts and operators, so that none can be looked up."""
OPERATORS = {
    "networking.istio.io/": "istiod",
    "security.istio.io/": "istiod",
    "telemetry.istio.io/": "istiod",
    "kafka.strimzi.io/": "strimzi",
    "monitoring.coreos.com/": "prometheus",
}


def dangling(program: Program) -> Iterator[str]:
    index = Index(program)
    for each in program.manifests():
        if each.namespace and (None, "Namespace", each.namespace) not in index.objects:
            yield f"{each.name}: there is no namespace {each.namespace}"
        for check in (_pods, _services, _scaling, _selectors, _mesh, _kafka, _ingress):
            yield from (f"{each.name}: {problem}" for problem in check(each, index))
    yield from _order(program)


class Index:
    """A program's objects by namespace, kind and name, and its pods."""

    def __init__(self, program: Program) -> None:
        self.objects = {(each.namespace, each.kind, each.object_name): each for each in program.manifests()}
        self.pods = [
            each for each in self.objects.values() if each.kind in ("Deployment", "StatefulSet", "Job")
        ]

        self.takes_any_host = any(
            each.inputs["values"]["controller"].get("allowEmptyIngressHost") is True
            for each in program.releases()
            if each.inputs["chart"] == "nginx-ingress"
        )

    def find(self, each: Recorded, kind: str, name: str) -> Recorded | None:
        return self.objects.get((each.namespace, kind, name))

    def selected(self, namespace: str | None, labels: Labels) -> list[Recorded]:
        return [
            pod
            for pod in self.pods
            if pod.namespace == namespace and labels.items() <= _template(pod)["metadata"]["labels"].items()
        ]


def _template(each: Recorded) -> dict[str, Any]:
    template: dict[str, Any] = each.inputs["spec"]["template"]
    return template


def _containers(each: Recorded) -> list[dict[str, Any]]:
    containers: list[dict[str, Any]] = _template(each)["spec"]["containers"]
    return containers


def _port_names(each: Recorded) -> set[str]:
    return {port["name"] for container in _containers(each) for port in container.get("ports", [])}


def _pods(each: Recorded, index: Index) -> Iterator[str]:
    if each not in index.pods:
        return
    spec = _template(each)["spec"]
    account = spec.get("serviceAccountName")
    if account and not index.find(each, "ServiceAccount", account):
        yield f"there is no account {account}"
    selector = each.inputs["spec"].get("selector", {}).get("matchLabels", {})
    if not selector.items() <= _template(each)["metadata"]["labels"].items():
        yield "its selector does not match its own pods"
    volumes = {volume["name"] for volume in spec.get("volumes", [])}
    volumes |= {claim["metadata"]["name"] for claim in each.inputs["spec"].get("volumeClaimTemplates", [])}
    for container in spec["containers"]:
        for mount in container.get("volumeMounts", []):
            if mount["name"] not in volumes:
                yield f"there is no volume {mount['name']}"
        for probe in ("readinessProbe", "livenessProbe"):
            port = container.get(probe, {}).get("httpGet", {}).get("port")
            if port is not None and port not in _port_names(each):
                yield f"{probe} asks the port {port}, which does not exist"
        for variable in container.get("env", []):
            yield from _variable(each, variable.get("valueFrom", {}), index)
    for volume in spec.get("volumes", []):
        for source, kind, key in (
            ("configMap", "ConfigMap", "name"),
            ("secret", "Secret", "secretName"),
            ("persistentVolumeClaim", "PersistentVolumeClaim", "claimName"),
        ):
            if source in volume and not index.find(each, kind, volume[source][key]):
                yield f"there is no {kind} {volume[source][key]}"


def _variable(each: Recorded, source: Mapping[str, Any], index: Index) -> Iterator[str]:
    for reference, kind in (("configMapKeyRef", "ConfigMap"), ("secretKeyRef", "Secret")):
        if reference in source:
            name, key = source[reference]["name"], source[reference]["key"]
            found = index.find(each, kind, name)
            if not found:
                yield f"there is no {kind} {name}"
            elif key not in {**found.inputs.get("data", {}), **found.inputs.get("stringData", {})}:
                yield f"{kind} {name} has no key {key}"


def _services(each: Recorded, index: Index) -> Iterator[str]:
    if each.kind != "Service":
        return
    pods = index.selected(each.namespace, each.inputs["spec"]["selector"])
    if not pods:
        yield "it selects no pods"
    for port in each.inputs["spec"]["ports"]:
        for pod in pods:
            if port["targetPort"] not in _port_names(pod):
                yield f"it leads to the port {port['targetPort']}, which does not exist"


def _scaling(each: Recorded, index: Index) -> Iterator[str]:
    if each.kind != "HorizontalPodAutoscaler":
        return
    target = each.inputs["spec"]["scaleTargetRef"]
    found = index.find(each, target["kind"], target["name"])
    if not found:
        yield f"there is no {target['kind']} {target['name']}"
        return
    for metric in each.inputs["spec"]["metrics"]:
        name = metric.get("containerResource", {}).get("container")
        if name not in {container["name"] for container in _containers(found)}:
            yield f"there is no container {name}"


def _selectors(each: Recorded, index: Index) -> Iterator[str]:
    spec = each.inputs.get("spec", {})
    if each.kind == "PodDisruptionBudget":
        wanted = spec["selector"]["matchLabels"]
    elif each.kind == "NetworkPolicy":
        wanted = spec["podSelector"].get("matchLabels", {})
        peers = [peer for rule in spec.get("ingress", []) for peer in rule.get("from", [])]
        peers += [peer for rule in spec.get("egress", []) for peer in rule.get("to", [])]
        yield from _peers(each, peers, index)
    elif each.kind == "PodMonitor":
        wanted = spec["selector"].get("matchLabels", {})
        if each.namespace in SCRAPED_OF_OTHERS:
            return
        for endpoint in spec["podMetricsEndpoints"]:
            for pod in index.selected(each.namespace, wanted):
                if endpoint["port"] not in _port_names(pod):
                    yield f"it scrapes the port {endpoint['port']}, which does not exist"
    else:
        return
    if wanted and not index.selected(each.namespace, wanted) and not wanted.items() <= ENTRANCE.items():
        yield f"it selects no pods: {wanted}"


def _peers(each: Recorded, peers: list[dict[str, Any]], index: Index) -> Iterator[str]:
    for peer in peers:
        namespace = (
            peer.get("namespaceSelector", {}).get("matchLabels", {}).get("kubernetes.io/metadata.name")
        )
        if namespace not in (None, "kube-system") and (None, "Namespace", namespace) not in index.objects:
            yield f"there is no namespace {namespace}"
        pods = peer.get("podSelector", {}).get("matchLabels", {})
        if pods and not index.selected(each.namespace, pods) and not pods.items() <= ENTRANCE.items():
            yield f"nobody is {pods}"


def _mesh(each: Recorded, index: Index) -> Iterator[str]:
    spec = each.inputs.get("spec", {})
    match each.kind:
        case "VirtualService":
            for gateway in spec.get("gateways", []):
                if not index.find(each, "Gateway", gateway):
                    yield f"there is no gateway {gateway}"
            for route in spec["http"]:
                for way in route["route"]:
                    yield from _host(way["destination"]["host"], way["destination"]["port"]["number"], index)
        case "DestinationRule":
            yield from _host(spec["host"], None, index)
        case "Gateway":
            if not spec["selector"].items() <= ENTRANCE.items():
                yield f"no entrance is {spec['selector']}"
        case "AuthorizationPolicy":
            wanted = spec.get("selector", {}).get("matchLabels", {})
            if (
                wanted
                and not index.selected(each.namespace, wanted)
                and not wanted.items() <= ENTRANCE.items()
            ):
                yield f"it selects no pods: {wanted}"
            for rule in spec.get("rules", []):
                for source in rule.get("from", []):
                    for principal in source["source"]["principals"]:
                        _, _, namespace, _, account = principal.split("/")
                        if (
                            account != "entrance"
                            and (namespace, "ServiceAccount", account) not in index.objects
                        ):
                            yield f"nobody is {principal}"
        case _:
            return


def _host(host: str, port: int | None, index: Index) -> Iterator[str]:
    name, _, rest = host.partition(".")
    service = index.objects.get((rest.removesuffix(".svc.cluster.local"), "Service", name))
    if not service:
        yield f"there is no service {host}"
    elif port is not None and port not in {each["port"] for each in service.inputs["spec"]["ports"]}:
        yield f"{host} has no port {port}"


def _kafka(each: Recorded, index: Index) -> Iterator[str]:
    if each.kind in ("KafkaTopic", "KafkaUser", "KafkaNodePool"):
        cluster = each.inputs["metadata"].get("labels", {}).get("strimzi.io/cluster", "")
        if not index.find(each, "Kafka", cluster):
            yield f"there is no Kafka {cluster}"
    if each.kind == "KafkaUser":
        yield from _variable(each, each.inputs["spec"]["authentication"]["password"]["valueFrom"], index)
        for acl in each.inputs["spec"]["authorization"]["acls"]:
            topic = acl["resource"]["name"]
            if acl["resource"]["type"] == "topic" and not index.find(each, "KafkaTopic", topic):
                yield f"nobody declares the topic {topic}"
    if each.kind == "ConfigMap" and "GATEWAY_ROUTES" in each.inputs.get("data", {}):
        for target in json.loads(each.inputs["data"]["GATEWAY_ROUTES"]).values():
            name, _, port = target.removeprefix("http://").partition(":")
            service = index.find(each, "Service", name)
            if not service or int(port) not in {port["port"] for port in service.inputs["spec"]["ports"]}:
                yield f"the gateway leads to {target}, which does not exist"


def _ingress(each: Recorded, index: Index) -> Iterator[str]:
    if each.kind != "Ingress":
        return
    for rule in each.inputs["spec"]["rules"]:
        if "host" not in rule and not index.takes_any_host:
            yield "NGINX refuses a rule without a host"
        for path in rule["http"]["paths"]:
            service = path["backend"]["service"]
            wanted = (each.namespace, service["name"], service["port"]["number"])
            if wanted not in OF_CHARTS:
                yield f"{path['path']} leads to {wanted}, which does not exist"


def _order(program: Program) -> Iterator[str]:
    """URNs resolve, and a custom resource comes after the operator that brings its kind."""
    by_urn = {each.urn: each for each in program.resources}
    for each in program.resources:
        wanted = {*each.depends_on, each.parent, each.provider.rpartition("::")[0]}
        yield from (
            f"{each.name}: {urn} is not there"
            for urn in wanted - set(by_urn)
            if urn and not urn.endswith("$pulumi:pulumi:Stack") and "pulumi:pulumi:Stack" not in urn
        )
    for each in program.manifests():
        for api, operator in OPERATORS.items():
            if each.inputs["apiVersion"].startswith(api) and operator not in _before(each, by_urn):
                yield f"{each.name}: it does not wait for {operator}, which brings its kind"


def _before(each: Recorded, by_urn: Mapping[str, Recorded]) -> set[str]:
    """The names of all that a resource waits for, over any number of steps."""
    seen: set[str] = set()
    todo = [*each.depends_on]
    while todo:
        urn = todo.pop()
        if urn not in seen and urn in by_urn:
            seen.add(urn)
            todo += by_urn[urn].depends_on
    return {by_urn[urn].name for urn in seen}
