"""A wrong configuration is one sentence that names it, and nothing is made."""

import copy
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pulumi
import pytest

import infra.recording
from infra.recording import ROOT, Program, record, stack_config
from infra.systems import SYSTEMS

Config = dict[str, Any]

IMAGES = [service.image for system in SYSTEMS for service in system.services]
PUSHED = ("order", "seat", "my-page")


def without(key: str) -> Callable[[Config], None]:
    return lambda config: config.pop(key)


def with_(path: str, value: object) -> Callable[[Config], None]:
    def change(config: Config) -> None:
        *steps, last = path.split("/")
        for step in steps:
            config = config[step]
        config[last] = value

    return change


WRONG: list[tuple[str, Callable[[Config], None], str]] = [
    ("local", with_("clinic:colour", "red"), "clinic:colour is no setting: take it out"),
    ("local", with_("clinic:kafka/brokers", 3), "clinic:kafka.brokers is no setting: take it out"),
    ("local", without("clinic:target"), "clinic:target is missing: write it as in Pulumi.dev.yaml"),
    ("local", with_("clinic:target", "aws"), "clinic:target: say 'azure' or 'kubeconfig'"),
    ("local", without("clinic:postgresql"), "clinic:postgresql is missing: target kubeconfig needs it"),
    ("dev", without("clinic:azure"), "clinic:azure is missing: target azure needs it"),
    ("dev", with_("clinic:kubeconfig", {}), "clinic:kubeconfig has no use with target azure: take it out"),
    ("local", with_("clinic:kafka/nodes", 2), "clinic:kafka.nodes: say 0, 1, 3 or 5"),
    (
        "local",
        with_("clinic:kafka/bootstrapServers", "kafka:9092"),
        "clinic:kafka: give either nodes, for a cluster of our own, or nodes 0 and bootstrapServers",
    ),
    (
        "local",
        with_("clinic:kafka", {"nodes": 0, "bootstrapServers": "kafka"}),
        "clinic:kafka.bootstrapServers: kafka is no broker: write one like kafka.example.com:9092",
    ),
    *(
        ("local", with_(f"clinic:{path}", value), f"clinic:{sentence}")
        for path, value, sentence in (
            (
                "kafka",
                {"nodes": 0, "bootstrapServers": "k:9092,k:99999"},
                "kafka.bootstrapServers: k:99999 is no broker",
            ),
            ("kafka", {"nodes": 0, "bootstrapServers": "k:0"}, "kafka.bootstrapServers: k:0 is no broker"),
            (
                "kafka",
                {"nodes": 0, "bootstrapServers": "k:9092"},
                "kafka: replicationFactor is missing: say on how many brokers each record has to be",
            ),
            (
                "kafka/replicationFactor",
                3,
                "kafka: replicationFactor has no use with nodes of our own: take it out",
            ),
            ("kafka/addressRange", "10.0.0.0/8", "kafka: addressRange has no use with nodes of our own"),
            (
                "kafka",
                {"nodes": 0, "bootstrapServers": "k:9092", "replicationFactor": 1, "memory": "2Gi"},
                "kafka: memory has no use with bootstrapServers: take it out",
            ),
            (
                "postgresql/port",
                6432,
                "postgresql: port has no use with a server inside the cluster: take it out",
            ),
            ("postgresql/host", "p.example.com", "postgresql: storage has no use with host: take it out"),
            ("postgresql", {"host": "a b"}, "postgresql.host: a b is no host: write one like db.example.com"),
            (
                "postgresql/administrator",
                "o'neill",
                "postgresql.administrator: o'neill is no role: write one like postgres",
            ),
            (
                "kubeconfig/storageClass",
                "",
                "kubeconfig.storageClass: nothing is no name of an object in Kubernetes: write",
            ),
            (
                "kubeconfig/diskClass",
                "Fast",
                "kubeconfig.diskClass: Fast is no name of an object in Kubernetes: write",
            ),
            (
                "kubeconfig/identifier",
                "",
                "kubeconfig.identifier: nothing is no name of a cluster: write one like local",
            ),
            ("images", {"tag": "a b"}, "images.tag: a b is no tag: write one like 1.4.2"),
            (
                "images",
                {"registry": "https://r.example.com/"},
                "images.registry: https://r.example.com/ is no registry: write one like",
            ),
            ("kafka/storage", "1\u0663Gi", "kafka.storage: 1\u0663Gi is no size"),
            (
                "observability/operators",
                ["0.0.0.0/0"],
                "observability.operators.0: 0.0.0.0/0 is almost everybody: say /8 or narrower",
            ),
            (
                "observability/operators",
                ["10.0.0.0/8", "10.0.0.0/8"],
                "observability.operators: the range 10.0.0.0/8 is there twice: name it once",
            ),
            ("images", "latest", "images: write its settings below it, each as key: value"),
            (
                "images",
                {"digests": ["a"]},
                "images.digests: write what it holds below it, each as key: value",
            ),
            (
                "images",
                {"tag": 1.0},
                "images.tag: say a text, and put what looks like a number or true in quotes",
            ),
            ("kafka/nodes", True, "kafka.nodes: say a whole number, not true or false"),
            ("observability/metricDays", True, "observability.metricDays: say a whole number"),
            ("observability/metricDays", 900, "observability.metricDays: say 365 or less"),
            ("observability/operators", "10.0.0.0/8", "observability.operators: say a list, like [a, b]"),
            ("protect", 1, "protect: say true or false"),
            ("protect", "yes", "protect: say true or false"),
            (
                "kubeconfig/path",
                "/nowhere/config",
                "kubeconfig.path: /nowhere/config is no file's whole path: name a kubeconfig, or leave path out",
            ),
            ("kubeconfig/path", "README.md", "kubeconfig.path: README.md is no file's whole path"),
            ("adminTokenOld", "secret", "adminTokenOld is no setting: take it out"),
            ("kafkaPassword-nobody", "secret", "kafkaPassword-nobody is no setting: take it out"),
        )
    ),
    (
        "local",
        with_("clinic:workloads", {"logLevel": "LOUD"}),
        "clinic:workloads.logLevel: say 'DEBUG', 'INFO', 'WARNING' or 'ERROR'",
    ),
    (
        "local",
        with_("clinic:workloads", {"systems": ["hotel"]}),
        "clinic:workloads: there is no system hotel: say clinic or reservation",
    ),
    (
        "local",
        with_("clinic:images", {"digests": {"seat": "abc"}}),
        "clinic:images.digests.seat: abc is no digest: write one like sha256: and 64 digits",
    ),
    (
        "local",
        with_("clinic:images", {"digests": {"seats": f"sha256:{'0' * 64}"}}),
        "clinic:images: digests has seats, which is no image of ours: say reception, diagnosis,",
    ),
    (
        "dev",
        with_(
            "clinic:images",
            {"digests": dict.fromkeys(PUSHED, f"sha256:{'0' * 64}")},
        ),
        f"clinic:images.digests lacks {', '.join(each for each in IMAGES if each not in PUSHED)}: "
        "run pipelines/digests STACK, which takes those that the stack runs, or push",
    ),
    (
        "dev",
        with_(
            "clinic:images", {"registry": "registry.example.com", "digests": {"seat": f"sha256:{'0' * 64}"}}
        ),
        "clinic:images.registry has no use with target azure: take it out",
    ),
    (
        "local",
        with_("clinic:groundOnly", True),
        "clinic:groundOnly is for a new stack on Azure, before there are clinic:images.digests: take it out",
    ),
    (
        "local",
        with_("clinic:observability/operators", ["all"]),
        "clinic:observability.operators.0: all is no range of addresses: write one like 10.0.0.0/8",
    ),
    (
        "local",
        with_("clinic:observability/operators", []),
        "clinic:observability.operators: it is empty: name one at least",
    ),
    (
        "dev",
        with_("clinic:azure/workloadPool/size", "big"),
        "clinic:azure.workloadPool.size: big is no size of a virtual machine: write one like",
    ),
    (
        "dev",
        with_("clinic:azure/workloadPool/largest", 1),
        "clinic:azure.workloadPool: largest is 1, less than smallest, 2",
    ),
    (
        "dev",
        with_("clinic:azure/database/zoneRedundant", True),
        "clinic:azure.database: a Burstable server can't be zoneRedundant: say GeneralPurpose",
    ),
    (
        "dev",
        with_("clinic:azure/deployer", "me"),
        "clinic:azure.deployer: me is no identifier in small letters: write one like 0a1b2c3d-",
    ),
    ("dev", with_("clinic:azure/contacts", []), "clinic:azure.contacts: it is empty: name one at least"),
    (
        "dev",
        with_("clinic:azure/budgetPerMonth", 0),
        "clinic:azure.budgetPerMonth: say 1 or more",
    ),
    *(
        ("dev", with_(f"clinic:{path}", value), f"clinic:{sentence}")
        for path, value, sentence in (
            (
                "azure/addressSpace",
                "10.40.0.1/16",
                "azure.addressSpace: 10.40.0.1/16 is no range of addresses: write 10.40.0.0/16",
            ),
            (
                "azure/addressSpace",
                "999.1.1.1/99",
                "azure.addressSpace: 999.1.1.1/99 is no range of addresses: write one like 10.0.0.0/8",
            ),
            (
                "azure/addressSpace",
                "10.0.0.0/16",
                "azure: addressSpace 10.0.0.0/16 overlaps 10.0.0.0/16, which the cluster's services have",
            ),
            (
                "azure/addressSpace",
                "10.40.0.0/24",
                "azure: addressSpace 10.40.0.0/24 is too small: say /18 or wider",
            ),
            ("azure/zones", ["1", "1"], "azure.zones: the zone 1 is there twice: name it once"),
            (
                "azure/database/size",
                "Standard_D2ds_v5",
                "azure.database: Standard_D2ds_v5 is no size of the tier Burstable: say one that begins with "
                "Standard_B",
            ),
            (
                "azure/location",
                "Korea Central",
                "azure.location: Korea Central is no location of Azure: write one like koreacentral",
            ),
            (
                "azure/contacts",
                ["a@example.com", "a@example.com"],
                "azure.contacts: the address a@example.com is there twice: name it once",
            ),
            (
                "azure/administrators",
                [f"{0:08}-0000-0000-0000-{0:012}"] * 2,
                f"azure.administrators: the group {0:08}-0000-0000-0000-{0:012} is there twice",
            ),
            (
                "azure/suffix",
                "Ours",
                "azure.suffix: Ours is no suffix (at most six small letters and digits): write one like x7",
            ),
            (
                "azure/location",
                "westeurope",
                "azure.location is westeurope, azure-native:location is koreacentral: say the same twice",
            ),
            ("workloads", {"systems": []}, "workloads: systems is empty: say clinic or reservation, or both"),
            (
                "workloads",
                {"systems": ["clinic", "clinic"]},
                "workloads.systems: the system clinic is there twice: name it once",
            ),
            (
                "observability/operators",
                ["300.1.1.1/99"],
                "observability.operators.0: 300.1.1.1/99 is no range of addresses: write one like 10.0.0.0/8",
            ),
            ("kafka/storage", "0Gi", "kafka.storage: 0Gi is no size: write one like 512Mi or 10Gi"),
            (
                "kafka/memory",
                "256Mi",
                "kafka.memory: 256Mi is too little for a Kafka node: say 768Mi or more",
            ),
        )
    ),
    (
        "local",
        with_("clinic:adminToken", "in clear"),
        "clinic:adminToken stands there in clear: pulumi config set --secret clinic:adminToken",
    ),
]


@pytest.mark.parametrize(("stack", "spoil", "sentence"), WRONG, ids=[each[2][:60] for each in WRONG])
def test_a_wrong_setting_is_one_sentence_and_nothing_is_made(
    stack: str, spoil: Callable[[Config], None], sentence: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    config = copy.deepcopy(stack_config(stack))
    spoil(config)
    made: list[str] = []
    monkeypatch.setattr(
        infra.recording.Monitor, "_keep", lambda self, request, *rest, **more: made.append(request.type)
    )

    with pytest.raises(pulumi.RunError) as refused:
        record(stack, config)

    assert str(refused.value).startswith(sentence)
    assert "\n" not in str(refused.value)
    assert made == []


@pytest.mark.parametrize("key", ["Clinic:kafka", "clinik:kafka", "kafka"])
def test_a_key_of_a_namespace_that_nobody_reads_is_one_sentence(key: str) -> None:
    with pytest.raises(pulumi.RunError) as refused:
        record("local", {**stack_config("local"), key: {"nodes": 3}})

    assert str(refused.value) == (
        f"{key} is no setting: say clinic:kafka, or begin it with one of clinic:, azure-native:, kubernetes:, pulumi:"
    )


def test_a_list_whose_only_element_is_wrong_is_not_called_empty() -> None:
    config = stack_config("local")
    config["clinic:observability"]["operators"] = ["all"]

    with pytest.raises(pulumi.RunError) as refused:
        record("local", config)

    assert "empty" not in str(refused.value)
    assert ";" not in str(refused.value)


def test_false_is_false_in_quotes_too() -> None:
    program = record("dev", {**stack_config("dev"), "clinic:groundOnly": "false"})

    assert program.digests_made_up
    assert any(program.of_kind("Deployment"))


def test_a_missing_secret_is_one_sentence(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(infra.recording, "secret_names", lambda systems: [])

    with pytest.raises(pulumi.RunError) as refused:
        record("local")

    key = "clinic:databaseAdminPassword"
    assert str(refused.value) == f"{key} is missing: pulumi config set --secret {key}"


@pytest.mark.parametrize("stack", ["my-test", "caf\u00e9"])
def test_a_stacks_name_that_azure_would_refuse_is_one_sentence(stack: str, tmp_path: Path) -> None:
    file = tmp_path / f"Pulumi.{stack}.yaml"
    shutil.copy(ROOT / "Pulumi.dev.yaml", file)

    with pytest.raises(pulumi.RunError, match=f"the stack {stack} can't be on Azure: its name"):
        record(str(file))


def test_a_suffix_ends_the_names_that_are_the_worlds() -> None:
    config = stack_config("dev")
    config["clinic:azure"]["suffix"] = "x7"

    program = record("dev", config)

    names = {
        value
        for each in program.resources
        for key in ("registryName", "vaultName", "serverName", "accountName")
        if each.custom and (value := each.inputs.get(key))
    }
    assert names == {"clinicdevregistryx7", "kv-clinic-devx7", "psql-clinic-devx7", "clinicdevfilesx7"}


def test_kafkas_heap_is_half_of_its_memory(local: Program, programs: dict[str, Program]) -> None:
    heaps = [
        next(program.of_kind("KafkaNodePool")).inputs["spec"]["jvmOptions"]
        for program in (local, programs["prod"])
    ]

    assert heaps == [{"-Xms": "512m", "-Xmx": "512m"}, {"-Xms": "2048m", "-Xmx": "2048m"}]
