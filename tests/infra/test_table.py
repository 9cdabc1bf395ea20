"""A table of services that does not hold together is one sentence."""

import dataclasses
from typing import Any

import pulumi
import pytest

import infra.systems
from infra.recording import record
from infra.settings import SettingsError
from infra.systems import CLINIC, RESERVATION, Objective, Resources, Scaling, Service, System, Volume
from infra.table_check import check_table


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
    ((), "the table has no system: write one into SYSTEMS of infra/systems.py"),
    ((CLINIC, dataclasses.replace(RESERVATION, name="clinic")), "two systems share the name clinic"),
    ((CLINIC, dataclasses.replace(RESERVATION, topic="clinic")), "two systems share the topic clinic"),
    (
        (dataclasses.replace(CLINIC, namespace="kafka"),),
        "clinic has the namespace kafka, which is not for services: say another",
    ),
    (
        (dataclasses.replace(CLINIC, namespace="kube-system"),),
        "clinic has the namespace kube-system, which is not for services: say another",
    ),
    (
        (dataclasses.replace(CLINIC, namespace="My_Own"),),
        "My_Own is no namespace of a system: write at most 63 small letters, digits and hyphens",
    ),
    ((dataclasses.replace(CLINIC, services=()),), "clinic has no services: write its gateway, at least"),
    (
        (
            CLINIC,
            changed(
                changed(RESERVATION, "seat", name="diagnosis"),
                "gateway",
                calls=("order", "diagnosis", "my_page"),
            ),
        ),
        "two services are named diagnosis, and would share a database and its password: rename one",
    ),
    (
        (CLINIC, changed(RESERVATION, "gateway", local_name="")),
        "two services share the image gateway: give one of them a local_name of its own",
    ),
    *(
        ((changed(CLINIC, "diagnosis", **{field: value}),), f"diagnosis of clinic {sentence}")
        for field, value, sentence in (
            *(
                (
                    "routes",
                    (route,),
                    f"has the route {route}: write one like /receptions, without a slash at its end",
                )
                for route in ("diagnoses", "/diagnoses/", "/", "//a", "/a b")
            ),
            ("objective", Objective(99.9, 0), "promises an answer in 0 s: say more than 0"),
            ("objective", Objective(99.9, float("nan")), "promises an answer in nan s: say more than 0"),
            ("resources", Resources(cpu="200mm"), "has the cpu 200mm: write one like 200m or 1.5"),
            ("resources", Resources(cpu_limit=""), "has the cpu_limit nothing: write one like 200m or 1.5"),
            ("resources", Resources(memory="1GB"), "has the memory 1GB: write one like 512Mi or 10Gi"),
            (
                "resources",
                Resources(cpu="1500m", cpu_limit="1"),
                "asks for 1500m CPU, over its cpu_limit 1: say less, or a higher limit",
            ),
            (
                "resources",
                Resources(memory="1Gi"),
                "asks for 1Gi memory, over its memory_limit 384Mi: say less, or a higher limit",
            ),
            ("volume", Volume(size="1GB"), "has the volume's size 1GB: write one like 512Mi or 10Gi"),
            (
                "volume",
                Volume(path="mnt/data"),
                "has the volume's path mnt/data: write a whole one, like /mnt/data",
            ),
            ("volume", Volume(path="/"), "has the volume's path /: write a whole one, like /mnt/data"),
        )
    ),
    *(
        (
            (changed(CLINIC, "diagnosis", name=name),),
            f"{name} of clinic has the name {name}: write at most 63 small letters, digits and underscores",
        )
        for name in ("Exam!", "e" * 70, "a-b", "1st")
    ),
    (
        (changed(CLINIC, "diagnosis", routes=("/receptions/x",)),),
        "the routes /receptions of reception and /receptions/x of diagnosis of clinic overlap: rename one",
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


def test_the_table_is_checked_before_anything_is_made(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(infra.systems, "SYSTEMS", (CLINIC, CLINIC))

    with pytest.raises(pulumi.RunError) as refused:
        record("local")

    assert str(refused.value) == "two systems share the name clinic"
