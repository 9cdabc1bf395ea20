"""A wrong configuration is one sentence that names it, and nothing is made."""

import copy
import dataclasses
from collections.abc import Callable
from typing import Any

import pulumi
import pytest

import infra.recording
from infra.recording import record, stack_config
from infra.settings import SettingsError
from infra.systems import CLINIC, RESERVATION, Objective, Scaling, Service, System
from infra.table_check import check_table

Config = dict[str, Any]


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
    ("local", without("clinic:target"), "clinic:target is missing"),
    ("local", with_("clinic:target", "aws"), "clinic:target: Input should be 'azure' or 'kubeconfig'"),
    ("local", without("clinic:postgresql"), "clinic:postgresql is missing: target kubeconfig needs it"),
    ("dev", without("clinic:azure"), "clinic:azure is missing: target azure needs it"),
    ("dev", with_("clinic:kubeconfig", {}), "clinic:kubeconfig has no use with target azure: take it out"),
    ("local", with_("clinic:kafka/nodes", 2), "clinic:kafka.nodes: Input should be 0, 1, 3 or 5"),
    (
        "local",
        with_("clinic:kafka/bootstrapServers", "kafka:9092"),
        "clinic:kafka: give either nodes, for a cluster of our own, or nodes 0 and bootstrapServers",
    ),
    (
        "local",
        with_("clinic:kafka", {"nodes": 0, "bootstrapServers": "kafka"}),
        "clinic:kafka.bootstrapServers: String should match",
    ),
    (
        "local",
        with_("clinic:workloads", {"logLevel": "LOUD"}),
        "clinic:workloads.logLevel: Input should be 'DEBUG'",
    ),
    (
        "local",
        with_("clinic:workloads", {"systems": ["hotel"]}),
        "clinic:workloads: there is no system hotel: say clinic or reservation",
    ),
    (
        "local",
        with_("clinic:images", {"digests": {"seat": "abc"}}),
        "clinic:images.digests.seat: String should match",
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
            {"digests": dict.fromkeys(("order", "seat", "my-page"), f"sha256:{'0' * 64}")},
        ),
        "clinic:images.digests lacks reception, diagnosis, examination, patient-management, gateway, "
        "reservation-gateway: run pipelines/digests STACK, which takes those that the stack runs, or push",
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
        "clinic:observability.operators.0: String should match",
    ),
    (
        "local",
        with_("clinic:observability/operators", []),
        "clinic:observability.operators: Tuple should have at least 1 item",
    ),
    (
        "dev",
        with_("clinic:azure/workloadPool/size", "big"),
        "clinic:azure.workloadPool.size: String should match",
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
    ("dev", with_("clinic:azure/deployer", "me"), "clinic:azure.deployer: String should match"),
    ("dev", with_("clinic:azure/contacts", []), "clinic:azure.contacts: Tuple should have at least 1 item"),
    (
        "dev",
        with_("clinic:azure/budgetPerMonth", 0),
        "clinic:azure.budgetPerMonth: Input should be greater than or equal to 1",
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


def test_a_missing_secret_is_one_sentence(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(infra.recording, "secret_names", lambda systems: [])

    with pytest.raises(pulumi.RunError) as refused:
        record("local")

    key = "clinic:databaseAdminPassword"
    assert str(refused.value) == f"{key} is missing: pulumi config set --secret {key}"


def changed(system: System, changed_service: str, /, **fields: Any) -> System:
    services = [
        dataclasses.replace(each, **fields) if each.name == changed_service else each
        for each in system.services
    ]
    return dataclasses.replace(system, services=tuple(services))


WRONG_TABLES: list[tuple[tuple[System, ...], str]] = [
    (
        (changed(CLINIC, "diagnosis", routes=("/receptions",)),),
        "reception and diagnosis of clinic both have the route /receptions",
    ),
    ((changed(CLINIC, "diagnosis", objective=None),), "diagnosis of clinic has no objective"),
    (
        (changed(CLINIC, "diagnosis", objective=Objective(100.0, 1.0)),),
        "diagnosis of clinic promises 100.0 % availability: say 90 to 99.99",
    ),
    (
        (changed(CLINIC, "gateway", calls=("doctor",)),),
        "gateway of clinic calls doctor, which is no service of clinic",
    ),
    (
        (changed(CLINIC, "diagnosis", reads=("visits",)),),
        "diagnosis of clinic uses the topic visits, which clinic does not declare",
    ),
    (
        (changed(CLINIC, "diagnosis", routes=()),),
        "diagnosis of clinic has no route: its readiness asks for its own collection",
    ),
    (
        (changed(CLINIC, "diagnosis", scaling=Scaling(3, 1)),),
        "diagnosis of clinic scales from 3 to 1: say 1 or more, in order",
    ),
    (
        (changed(CLINIC, "diagnosis", scaling=Scaling(cpu_percent=0)),),
        "diagnosis of clinic scales at 0 % CPU: say 1 to 100",
    ),
    ((changed(CLINIC, "diagnosis", name="reception"),), "clinic has two services named reception"),
    (
        (changed(CLINIC, "gateway", name="door"),),
        "the last service of clinic is door: it must be the gateway",
    ),
    (
        (CLINIC, dataclasses.replace(RESERVATION, namespace="medical")),
        "two systems share the namespace medical",
    ),
    (
        (
            dataclasses.replace(
                CLINIC, services=tuple(dataclasses.replace(each, writes=()) for each in CLINIC.services)
            ),
        ),
        "reception of clinic reads the topic clinic, which nobody writes",
    ),
]


@pytest.mark.parametrize(("systems", "sentence"), WRONG_TABLES, ids=[each[1][:60] for each in WRONG_TABLES])
def test_a_wrong_table_is_one_sentence(systems: tuple[System, ...], sentence: str) -> None:
    with pytest.raises(SettingsError) as refused:
        check_table(systems)

    assert str(refused.value) == sentence


def test_a_service_without_a_database_can_have_no_topics() -> None:
    promise = Objective(99.9, 1.0)
    broken = Service("gateway", "app:app", promise, reads=("clinic",), writes=("clinic",), database=False)

    with pytest.raises(SettingsError, match="has topics but no database"):
        check_table((dataclasses.replace(CLINIC, services=(broken,)),))
