"""Every service keeps to its own OpenAPI document, whatever it is sent."""

from contextlib import suppress
from datetime import UTC, datetime
from typing import Any

import httpx2
import pytest
import schemathesis
from hypothesis import HealthCheck, Phase, assume, given, settings
from hypothesis.errors import Unsatisfiable
from schemathesis import Case, GenerationMode
from schemathesis.core.result import Ok

from tests.scenarios.clinic import Clinic

SERVICES = ["reception", "diagnosis", "examination", "patient_management"]
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
            assume(not born_in_the_future(case.body))
            if mode is GenerationMode.POSITIVE:
                case.headers.pop("Idempotency-Key", None)  # one key with two bodies is refused, rightly
            case.call_and_validate()

        with suppress(Unsatisfiable):  # a call without parameters and body can't be made wrongly
            probe()


def born_in_the_future(body: object) -> bool:
    """What JSON Schema has no word for."""
    patient = body.get("patient") if isinstance(body, dict) else None
    birth_date = patient.get("birth_date") if isinstance(patient, dict) else None
    return isinstance(birth_date, str) and birth_date > datetime.now(UTC).date().isoformat()


@pytest.mark.parametrize("service", SERVICES)
def test_the_documents_name_the_calls_of_the_contract(clinic: Clinic, service: str) -> None:
    with clinic.client(service) as client:
        described = client.get("/openapi.json").json()
        events = client.get("/asyncapi.json").json()

    calls = {f"{method.upper()} {path}" for path, item in described["paths"].items() for method in item}
    assert calls >= CALLS[service]
    assert events["asyncapi"].startswith("3.")


def test_the_gateway_has_a_route_for_every_service(clinic: Clinic) -> None:
    for calls in CALLS.values():
        for path in {call.partition(" ")[2] for call in calls if call.startswith("GET") and "{" not in call}:
            assert httpx2.get(clinic.url("gateway") + path).status_code == 200


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
}
