"""A table of services that does not hold together is one sentence."""

import dataclasses
from typing import Any

import pytest

from infra.settings import SettingsError
from infra.systems import CLINIC, RESERVATION, Objective, Scaling, Service, System
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
