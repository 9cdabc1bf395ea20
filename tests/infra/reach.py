"""Who reaches whom on which port, by the NetworkPolicies of a recorded program, and who should."""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from ipaddress import ip_address, ip_network
from typing import Any

from infra.recording import Program, Recorded

__all__ = ["misled", "past_the_mesh"]

Rules = list[Mapping[str, Any]]

CALLS = {
    "medical": {"gateway": ("reception", "diagnosis", "examination", "patient-management")},
    "reservation": {"gateway": ("order", "seat", "my-page")},
}
"""As the systems' pictures have it, written down a second time on purpose."""


@dataclass(frozen=True)
class End:
    """A pod by namespace and label `app`, or an address outside."""

    app: str
    namespace: str | None = None
    address: str | None = None

    @property
    def labels(self) -> dict[str, str]:
        return {"app": self.app}


PROMETHEUS = End("prometheus", "istio-system")
ISTIOD = End("istiod", "istio-system")
JAEGER = End("jaeger", "istio-system")
NAMES = End("kube-dns", "kube-system")
STRANGER = End("stranger", "default")
INTERNET = End("internet", address="198.51.100.7")
API_SERVER = End("api-server", address="10.0.0.1")
JOB = End("make-databases", "postgresql")
BROKER = End("broker", "kafka")


def misled(program: Program) -> Iterator[str]:
    """Every way that is closed and should be open, and the other way round."""
    policies = [*program.of_kind("NetworkPolicy"), *_brokers(program)]
    for source, target, port in open_ways(program):
        if not _passes(policies, source, target, port):
            yield f"{source.namespace}/{source.app} does not reach {target.namespace}/{target.app} on {port}"
    for source, target, port in closed_ways(program):
        if _passes(policies, source, target, port):
            yield f"{source.namespace}/{source.app} reaches {target.namespace}/{target.app} on {port}"


def open_ways(program: Program) -> Iterator[tuple[End, End, int]]:
    database, kafka = _database(program), _kafka(program)
    yield JOB, database, 5432
    yield JOB, NAMES, 53
    for namespace, calls in CALLS.items():
        door = End("entrance", namespace)
        yield from ((INTERNET, door, port) for port in (8080, 15021))
        yield from ((PROMETHEUS, door, port) for port in (15020, 15090))
        yield from ((door, NAMES, 53), (door, ISTIOD, 15012), (door, JAEGER, 4317))
        for gateway, names in calls.items():
            for name in (gateway, *names):
                pod = End(name, namespace)
                yield door, pod, 8080
                yield from ((PROMETHEUS, pod, port) for port in (9080, 15020, 15090))
                yield from ((pod, NAMES, 53), (pod, ISTIOD, 15012), (pod, JAEGER, 4317), (pod, JAEGER, 4318))
            for name in names:
                pod = End(name, namespace)
                yield End(gateway, namespace), pod, 8080
                yield pod, database, 5432
                yield pod, kafka, 9093


def closed_ways(program: Program) -> Iterator[tuple[End, End, int]]:
    database, kafka = _database(program), _kafka(program)
    yield from ((JOB, INTERNET, 443), (STRANGER, JAEGER, 4317), (STRANGER, JAEGER, 4318))
    if database.namespace:  # outside, it is the subnet's rules that say so
        yield STRANGER, database, 5432
    yield from ((STRANGER, kafka, 9093), (INTERNET, JAEGER, 4317))
    for namespace, calls in CALLS.items():
        door = End("entrance", namespace)
        other = next(each for each in CALLS if each != namespace)
        yield from ((door, database, 5432), (door, kafka, 9093), (door, INTERNET, 443))
        yield from ((INTERNET, door, 15020), (STRANGER, door, 15090))
        yield from ((End("stray", namespace), INTERNET, 443), (STRANGER, End("stray", namespace), 8080))
        for gateway, names in calls.items():
            yield from ((End(gateway, namespace), database, 5432), (End(gateway, namespace), kafka, 9093))
            for name in (gateway, *names):
                pod = End(name, namespace)
                yield from ((pod, INTERNET, 443), (pod, API_SERVER, 443), (pod, INTERNET, 53))
                yield from ((pod, NAMES, 54), (pod, kafka, 9092), (pod, database, 5433))
                yield from ((INTERNET, pod, 8080), (STRANGER, pod, 8080), (STRANGER, pod, 9080))
                yield from ((door, pod, 9080), (PROMETHEUS, pod, 8080), (pod, door, 8080))
                yield End(next(iter(CALLS[other])), other), pod, 8080
                for callee in names:
                    if name != gateway:
                        yield pod, End(callee, namespace), 8080


def past_the_mesh(program: Program) -> Iterator[str]:
    """The sidecar lets pass what the services speak with outside the mesh, and who scrapes them."""
    values = {each.object_name: each.inputs["data"] for each in program.of_kind("ConfigMap")}
    for each in program.of_kind("Deployment"):
        if each.namespace not in CALLS:
            continue
        template = each.inputs["spec"]["template"]
        annotations = template["metadata"]["annotations"]
        within = annotations.get("traffic.sidecar.istio.io/excludeInboundPorts", "").split(",")
        out = annotations.get("traffic.sidecar.istio.io/excludeOutboundPorts", "").split(",")
        if within != ["9080"]:
            yield f"{each.name}: past the sidecar come in {within}"
        config = next(
            values[variable["valueFrom"]["configMapKeyRef"]["name"]]
            for variable in template["spec"]["containers"][0]["env"]
            if "configMapKeyRef" in variable["valueFrom"]
        )
        wanted = _ports_of(config)
        if set(out) - {""} != wanted:
            yield f"{each.name}: past the sidecar go out {out}, but it uses {sorted(wanted)}"


def _ports_of(config: Mapping[str, str]) -> set[str]:
    """Of the collector of traces, PostgreSQL and Kafka, as the service itself is told."""
    traces = config["OTEL_EXPORTER_OTLP_ENDPOINT"].rpartition(":")[2]
    if "DATABASE_URL" not in config:
        return {traces}
    database = config["DATABASE_URL"].removeprefix("postgresql://").partition("/")[0].rpartition(":")[2]
    brokers = config["KAFKA_BOOTSTRAP_SERVERS"].split(",")
    return {traces, database, *(broker.rpartition(":")[2] for broker in brokers)}


def _database(program: Program) -> End:
    inside = any(each.name == "postgresql" for each in program.of_kind("StatefulSet"))
    return End("postgresql", "postgresql") if inside else End("database", address="10.40.16.4")


def _kafka(program: Program) -> End:
    return BROKER if any(program.of_kind("Kafka")) else End("kafka", address="10.1.2.3")


def _brokers(program: Program) -> Iterator[Recorded]:
    """The policies that Strimzi makes of a listener's peers."""
    for each in program.of_kind("Kafka"):
        for listener in each.inputs["spec"]["kafka"]["listeners"]:
            spec = {
                "podSelector": {"matchLabels": {"app": "broker"}},
                "policyTypes": ["Ingress"],
                "ingress": [{"from": listener["networkPolicyPeers"], "ports": [{"port": listener["port"]}]}],
            }
            metadata = {"name": listener["name"], "namespace": each.namespace}
            yield _as_policy(each, {**each.inputs, "metadata": metadata, "spec": spec})


def _as_policy(each: Recorded, inputs: dict[str, Any]) -> Recorded:
    values = {**each.__dict__, "inputs": json.loads(json.dumps(inputs))}
    return Recorded(**values)


def _passes(policies: list[Recorded], source: End, target: End, port: int) -> bool:
    return _lets(policies, source, target, port, "Egress", "to") and _lets(
        policies, target, source, port, "Ingress", "from"
    )


def _lets(policies: list[Recorded], owner: End, other: End, port: int, way: str, side: str) -> bool:
    """Who has no policy of that way is open; the rules of several add up."""
    if owner.namespace is None:
        return True
    mine = [
        each.inputs["spec"]
        for each in policies
        if each.namespace == owner.namespace
        and _selects(each.inputs["spec"]["podSelector"], owner.labels)
        and way in each.inputs["spec"]["policyTypes"]
    ]
    rules: Rules = [rule for spec in mine for rule in spec.get(way.lower(), [])]
    return not mine or any(
        any(each["port"] == port for each in rule["ports"])
        and (not rule.get(side) or any(_is(peer, other, owner) for peer in rule[side]))
        for rule in rules
    )


def _is(peer: Mapping[str, Any], end: End, owner: End) -> bool:
    if "ipBlock" in peer:
        return end.address is not None and ip_address(end.address) in ip_network(peer["ipBlock"]["cidr"])
    if end.namespace is None:
        return False
    if "namespaceSelector" in peer:
        in_namespace = _selects(
            peer["namespaceSelector"], {"kubernetes.io/metadata.name": end.namespace or ""}
        )
    else:
        in_namespace = end.namespace == owner.namespace
    return in_namespace and _selects(peer.get("podSelector", {}), end.labels)


def _selects(selector: Mapping[str, Any], labels: Mapping[str, str]) -> bool:
    return selector.get("matchLabels", {}).items() <= labels.items()
