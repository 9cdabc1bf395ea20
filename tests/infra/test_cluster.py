"""A real API server takes the manifests: run when KUBECONFIG points to a cluster that has nothing of ours yet.

Everything that is made here is taken away again.
"""

import copy
import os
import shutil
import subprocess
from collections.abc import Iterator
from typing import Any

import pytest
import yaml

from infra.preview import manifest_of
from infra.recording import Program, Recorded
from tests.infra.mutations import Mutation, mutated

pytestmark = pytest.mark.cluster


def kubectl(
    *arguments: str, manifests: list[dict[str, Any]] | None = None
) -> subprocess.CompletedProcess[str]:
    text = yaml.safe_dump_all(manifests) if manifests else None
    return subprocess.run(["kubectl", *arguments], input=text, capture_output=True, text=True, check=False)


def apply(manifests: list[dict[str, Any]], *options: str) -> subprocess.CompletedProcess[str]:
    return kubectl("apply", "--server-side", "--validate=strict", *options, "-f", "-", manifests=manifests)


def namespaces(program: Program) -> list[str]:
    return [each.object_name for each in program.of_kind("Namespace")]


def ends(namespace: str) -> bool:
    phase = kubectl(
        "get", "namespace", namespace, "--output", "jsonpath={.status.phase}", "--ignore-not-found"
    )
    return phase.stdout == "Terminating"


@pytest.fixture(scope="module")
def cluster(programs: dict[str, Program]) -> Iterator[None]:
    """The namespaces are there, and nothing else."""
    if not os.environ.get("KUBECONFIG") or shutil.which("kubectl") is None:
        pytest.skip("KUBECONFIG points to no cluster, or there is no kubectl")
    ours = namespaces(programs["local"])
    # what an earlier run took away may still be going
    kubectl("wait", "--for=delete", *(f"namespace/{name}" for name in ours if ends(name)), "--timeout=60s")
    present = kubectl("get", "namespaces", "--output", "jsonpath={.items[*].metadata.name}")
    assert present.returncode == 0, present.stderr
    if taken := set(ours) & set(present.stdout.split()):
        pytest.skip(
            f"the cluster of KUBECONFIG has {', '.join(sorted(taken))} already: this test would spoil them"
        )
    try:
        made = apply([manifest_of(each) for each in programs["local"].of_kind("Namespace")])
        assert made.returncode == 0, made.stderr
        yield
    finally:
        kubectl("delete", "namespace", *ours, "--wait=false")


@pytest.mark.usefixtures("cluster")
def test_the_server_would_take_every_manifest(program: Program) -> None:
    manifests = [manifest_of(each) for each in program.manifests()]

    answer = apply(manifests, "--dry-run=server")

    assert answer.stderr == ""
    assert answer.stdout.count("serverside-applied") == len(manifests)


WRONG = [
    Mutation("VirtualService/medical-diagnosis", "spec/https", []),
    Mutation("VirtualService/medical-diagnosis", "spec/http/0/timeout", "soon"),
    Mutation("VirtualService/medical-diagnosis", "spec/http/0/retries/attempts", "two"),
    Mutation("DestinationRule/medical-diagnosis", "spec/trafficPolicy/tls/mode", "MUTUALLY"),
    Mutation("DestinationRule/medical-diagnosis", "spec/trafficPolicy/outlierDetection/interval", "0ms"),
    Mutation("Gateway/medical-entrance", "spec/servers/0/port/number", "http"),
    Mutation("PeerAuthentication/medical-default", "spec/mtls/mode", "STRICTLY"),
    Mutation("AuthorizationPolicy/medical-diagnosis", "spec/action", "PERMIT"),
    Mutation("Sidecar/medical-default", "spec/outboundTrafficPolicy/mode", "NONE"),
    Mutation("Telemetry/istio-system-default", "spec/tracing/0/randomSamplingPercentage", 200),
    Mutation("Kafka/kafka-clinic", "spec/kafka/listeners/0/type", "outside"),
    Mutation("Kafka/kafka-clinic", "spec/kafka/authorisation", {}),
    Mutation("KafkaNodePool/kafka-nodes", "spec/roles", ["zookeeper"]),
    Mutation("KafkaTopic/kafka-clinic", "spec/partitions", 0),
    Mutation("KafkaUser/kafka-diagnosis", "spec/authorization/acls/0/operations", ["Delegate"]),
    Mutation("PodMonitor/medical-diagnosis", "spec/podMetricsEndpoints/0/interval", "often"),
    Mutation("PrometheusRule/medical-diagnosis", "spec/groups/0/rules/0/for", "a while"),
]


@pytest.mark.usefixtures("cluster")
@pytest.mark.parametrize("mutation", WRONG, ids=str)
def test_the_server_refuses_a_custom_resource_with_a_mistake(mutation: Mutation, local: Program) -> None:
    kind, _, name = mutation.resource.partition("/")
    spoilt = mutated(local, mutation)
    victim: Recorded = next(each for each in spoilt.of_kind(kind) if each.name == name)

    answer = apply([copy.deepcopy(victim.inputs)], "--dry-run=server")

    assert answer.returncode != 0


@pytest.mark.usefixtures("cluster")
def test_every_manifest_of_the_local_stack_is_made_in_the_order_of_dependencies(local: Program) -> None:
    manifests = [manifest_of(each) for each in local.manifests()]

    answer = apply(manifests)
    deployments = kubectl(
        "wait", "deployment", "--all", "--namespace=medical", "--for=create", "--timeout=30s"
    )

    assert answer.stderr == ""
    assert answer.stdout.count("serverside-applied") == len(manifests)
    assert deployments.returncode == 0, deployments.stderr
