"""What the processes of both systems tell of themselves, together."""

import httpx2
from prometheus_client.parser import text_string_to_metric_families

from clinic_lib.metric import DECLARED
from tests.scenarios.clinic import Clinic, Order, Visit, create_seats, eventually

COUNTED_WITHIN_SECONDS = 30
"""The census looks every 10 s, give or take."""


def samples(clinic: Clinic, service: str) -> dict[tuple[str, frozenset[tuple[str, str]]], float]:
    text = httpx2.get(f"http://127.0.0.1:{clinic.ports[service] + 1000}/metrics", timeout=10).text
    return {
        (sample.name, frozenset(sample.labels.items())): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    }


def rows(clinic: Clinic, service: str, value: str) -> float:
    labels = {"service": service, "view": service, "column": "status", "value": value}
    return samples(clinic, service).get(("clinic_view_rows", frozenset(labels.items())), 0.0)


def test_visits_and_orders_are_counted_by_status(
    clinic: Clinic, gateway: httpx2.Client, box_office: httpx2.Client
) -> None:
    visits, orders = rows(clinic, "patient_management", "cancelled"), rows(clinic, "my_page", "confirmed")

    visit = Visit(gateway)
    visit.cancel()
    visit.ends_as("cancelled", "cancelled", "cancelled")
    Order(box_office, create_seats(box_office, 5), 1).ends_as("confirmed")

    def both_are_counted() -> bool | None:
        cancelled, confirmed = (
            rows(clinic, "patient_management", "cancelled"),
            rows(clinic, "my_page", "confirmed"),
        )
        return (cancelled > visits and confirmed > orders) or None

    eventually(both_are_counted, within=COUNTED_WITHIN_SECONDS)


def test_every_declared_metric_is_told_by_some_process_and_every_one_has_its_service(
    clinic: Clinic, gateway: httpx2.Client
) -> None:
    Visit(gateway).wait_for_the_doctor()

    told = {
        name: labels
        for service in clinic.ports
        for name, labels in samples(clinic, service)
        if name.startswith("clinic_")
    }

    metrics = {f"{each.name}_count" if each.kind == "histogram" else each.name for each in DECLARED}
    assert metrics - told.keys() == set()
    assert all("service" in dict(labels) for labels in told.values())
