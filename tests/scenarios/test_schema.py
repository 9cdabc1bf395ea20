"""Every service keeps to its own OpenAPI document, whatever it is sent."""

from contextlib import suppress
from datetime import UTC, datetime
from typing import Any

import pytest
import schemathesis
from hypothesis import HealthCheck, Phase, assume, given, settings
from hypothesis.errors import Unsatisfiable
from schemathesis import Case, GenerationMode
from schemathesis.core.result import Ok

from tests.scenarios.clinic import Clinic

SERVICES = ["reception", "diagnosis", "examination", "patient_management", "order", "seat", "my_page"]
PROBES = 25


@pytest.mark.parametrize("service", SERVICES)
@pytest.mark.parametrize("mode", [GenerationMode.POSITIVE, GenerationMode.NEGATIVE])
def test_answers_fit_the_document(clinic: Clinic, service: str, mode: GenerationMode) -> None:
    schema = schemathesis.openapi.from_url(f"{clinic.url(service)}/openapi.json")

    for found in schema.get_all_operations():
        assert isinstance(found, Ok)
        requests = found.ok().as_strategy(generation_mode=mode)

        @settings(
            max_examples=PROBES,
            deadline=None,
            database=None,
            phases=[Phase.generate],
            suppress_health_check=list(HealthCheck),
        )
        @given(requests)
        def probe(case: Case[Any]) -> None:
            assume(can_be_said(case.body))
            if mode is GenerationMode.POSITIVE:
                case.headers.pop("Idempotency-Key", None)  # one key with two bodies is refused, rightly
            case.call_and_validate()

        with suppress(Unsatisfiable):  # a call without parameters and body can't be made wrongly
            probe()


def can_be_said(body: object) -> bool:
    """JSON Schema has no word for a date in the past, nor for a whole number that is written without `.0`."""
    fields = body if isinstance(body, dict) else {}
    patient = fields.get("patient")
    birth_date = patient.get("birth_date") if isinstance(patient, dict) else None
    in_the_future = isinstance(birth_date, str) and birth_date > datetime.now(UTC).date().isoformat()
    return not in_the_future and not any(isinstance(value, float) for value in fields.values())


@pytest.mark.parametrize("service", SERVICES)
def test_the_documents_name_the_calls_of_the_contract(clinic: Clinic, service: str) -> None:
    with clinic.client(service) as client:
        described = client.get("/openapi.json").json()
        events = client.get("/asyncapi.json").json()

    calls = {f"{method.upper()} {path}" for path, item in described["paths"].items() for method in item}
    assert calls >= CALLS[service]
    assert events["asyncapi"].startswith("3.")


@pytest.mark.parametrize("service", SERVICES)
def test_its_gateway_has_a_route_for_every_service(clinic: Clinic, service: str) -> None:
    with clinic.client(clinic.gateway_of(service)) as gateway:
        for call in CALLS[service]:
            method, _, path = call.partition(" ")
            if method == "GET" and "{" not in path:
                assert gateway.get(path).status_code == 200


CALLS = {
    "reception": {
        "POST /receptions",
        "GET /receptions",
        "GET /receptions/{id}",
        "POST /receptions/{reception_id}/cancellation",
    },
    "diagnosis": {
        "GET /diagnoses",
        "GET /diagnoses/{id}",
        "POST /diagnoses/{reception_id}/prescription",
        "POST /diagnoses/{reception_id}/completion",
        "POST /diagnoses/{reception_id}/rejection",
    },
    "examination": {
        "GET /examinations",
        "GET /examinations/{id}",
        "POST /examinations/{examination_id}/result",
        "POST /examinations/{examination_id}/cancellation",
    },
    "patient_management": {"GET /patientManagements", "GET /patientManagements/{id}"},
    "order": {"POST /orders", "GET /orders", "GET /orders/{id}", "POST /orders/{order_id}/cancellation"},
    "seat": {"POST /seats", "GET /seats", "GET /seats/{id}"},
    "my_page": {"GET /myPages", "GET /myPages/{id}"},
}
