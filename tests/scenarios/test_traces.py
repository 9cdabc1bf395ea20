"""A visit's traces, as a collector gets them: every service, in causal order, with no gap."""

import re
from collections.abc import Collection
from secrets import token_hex

import httpx2
import pytest

from tests.collector import Collected, Collector
from tests.scenarios.clinic import Clinic, Order, Visit, create_seats, eventually
from tests.scenarios.databases import ask

Calls = Collection[tuple[str, str]]

REGISTRATION = {
    ("gateway", "POST /receptions"),
    ("reception", "POST /receptions"),
    ("reception", "command register"),
    ("reception", "send ReceptionRegistered"),
    ("diagnosis", "process ReceptionRegistered"),
    ("diagnosis", "send DiagnosisOpened"),
    ("patient_management", "process DiagnosisOpened"),
}


class Traced:
    """Requests to a gateway that carry a sampled trace of their own, one after another."""

    def __init__(self, client: httpx2.Client, collector: Collector) -> None:
        self.collector = collector
        self.client = client
        self.trace_id = ""
        self.client.event_hooks = {"request": [self._begin], "response": []}

    def _begin(self, request: httpx2.Request) -> None:
        if request.method == "POST":
            self.trace_id = token_hex(16)
            request.headers["traceparent"] = f"00-{self.trace_id}-{token_hex(8)}-01"
        else:
            request.headers["traceparent"] = f"00-{token_hex(16)}-{token_hex(8)}-00"

    def spans(self, expected: Calls) -> list[Collected]:
        """What the last POST caused, once the spans of these services and names are there."""
        wanted = set(expected)

        def is_complete(spans: list[Collected]) -> bool:
            """Each process exports its own, so some may still be on their way."""
            return wanted <= {(each.service, each.name) for each in spans} and begins_at_a_gateway(spans)

        found = self.collector.trace(self.trace_id, is_complete)
        assert_no_gap(found)
        return found


@pytest.fixture
def traced(gateway: httpx2.Client, collector: Collector) -> Traced:
    return Traced(gateway, collector)


def roots(spans: list[Collected]) -> list[Collected]:
    """Those whose parent is not there."""
    ids = {each.span_id for each in spans}
    return [each for each in spans if each.parent_id not in ids]


def begins_at_a_gateway(spans: list[Collected]) -> bool:
    """Whether the span of a gateway's request (2: SERVER) is all that has no parent."""
    return [(each.service.endswith("gateway"), each.kind) for each in roots(spans)] == [(True, 2)]


def assert_no_gap(spans: list[Collected]) -> None:
    """One root, which has the caller's span as parent; every other's parent is there and began before."""
    by_id = {each.span_id: each for each in spans}
    assert begins_at_a_gateway(spans)
    (root,) = roots(spans)
    for each in spans:
        if each is not root:
            assert by_id[each.parent_id].start <= each.start, f"{each.name} of {each.service}"
        assert each.start <= each.end


def causes(spans: list[Collected], span: Collected) -> list[tuple[str, str]]:
    """From the root down to a span."""
    by_id = {each.span_id: each for each in spans}
    found = [(span.service, span.name)]
    while parent := by_id.get(span.parent_id):
        span = parent
        found.insert(0, (span.service, span.name))
    return found


def the_one(spans: list[Collected], service: str, name: str) -> Collected:
    (found,) = [each for each in spans if (each.service, each.name) == (service, name)]
    return found


def test_a_visit_s_trace_has_every_service_in_causal_order(traced: Traced) -> None:
    visit = Visit(traced.client)
    registration = traced.spans(REGISTRATION)
    visit.wait_for_the_doctor()
    visit.prescribe()
    prescription = traced.spans(
        {
            ("gateway", "POST /diagnoses"),
            ("diagnosis", "command prescribe"),
            ("examination", "process ExaminationPrescribed"),
            ("patient_management", "process ExaminationPrescribed"),
        }
    )
    visit.give_result(visit.created_examination())
    result = traced.spans(
        {("diagnosis", "send DiagnosisUpdated"), ("patient_management", "process DiagnosisUpdated")}
    )
    visit.complete()
    completion = traced.spans(
        {("reception", "process DiagnosisCompleted"), ("patient_management", "process DiagnosisCompleted")}
    )

    shown = the_one(registration, "patient_management", "process DiagnosisOpened")
    assert causes(registration, shown) == [
        ("gateway", "POST /receptions"),
        ("gateway", "POST"),
        ("reception", "POST /receptions"),
        ("reception", "command register"),
        ("diagnosis", "process ReceptionRegistered"),
        ("patient_management", "process DiagnosisOpened"),
    ]
    for spans in (registration, prescription, result, completion):
        keys = {each.attributes.get("clinic.saga.key") for each in spans} - {None}
        assert keys == {f"reception_id:{visit.id}"}


def test_a_cancelled_visit_s_trace_shows_its_compensations(traced: Traced) -> None:
    visit = Visit(traced.client)
    visit.wait_for_the_doctor()
    visit.prescribe()
    visit.created_examination()

    visit.cancel()

    spans = traced.spans(
        {("diagnosis", "process ExaminationWithdrawn"), ("reception", "process DiagnosisCancelled")}
    )
    undone = {each.service for each in spans if each.name.startswith("compensation ")}
    assert undone == {"diagnosis", "examination"}


def test_a_cancelled_reservation_s_trace_shows_its_compensation(
    box_office: httpx2.Client, collector: Collector
) -> None:
    traced = Traced(box_office, collector)
    order = Order(traced.client, create_seats(traced.client, 5), 3)
    order.ends_as("confirmed")

    order.cancel()

    spans = traced.spans({("seat", "process OrderCancelled"), ("my_page", "process OrderCancelled")})
    assert {each.service for each in spans if each.name.startswith("compensation ")} == {"seat"}


def test_a_redrive_is_in_the_trace_of_what_failed(clinic: Clinic, traced: Traced) -> None:
    forbid = (
        "alter table patient_management add constraint nobody check (name <> 'Forbidden Fruit') not valid"
    )
    ask(clinic, "patient_management", forbid)
    visit = Visit(traced.client, "Forbidden Fruit")
    traced.spans(REGISTRATION)
    ask(clinic, "patient_management", "alter table patient_management drop constraint nobody")

    clinic.run("dead-letters", "redrive", "patient_management", "--key", f"reception_id:{visit.id}")

    def is_redriven(spans: list[Collected]) -> bool:
        return begins_at_a_gateway(spans) and any(
            "clinic.redrive" in each.attributes and not each.failed for each in spans
        )

    spans = traced.collector.trace(traced.trace_id, is_redriven)
    assert_no_gap(spans)
    assert [each.service for each in spans if each.failed] == ["patient_management"]
    assert visit.show("patientManagements") is not None


def test_what_the_caller_does_not_sample_is_not_exported(clinic: Clinic, traced: Traced) -> None:
    trace_id = token_hex(16)
    unsampled = {"traceparent": f"00-{trace_id}-{token_hex(8)}-00"}
    patient = {"patient": {"name": "Ada Byron", "birth_date": "1985-12-10"}, "symptoms": "cough"}
    with clinic.client() as client:
        id_ = client.post("/receptions", json=patient, headers=unsampled).raise_for_status().json()["id"]
        eventually(lambda: client.get(f"/patientManagements/{id_}").status_code == 200 or None)

    Visit(traced.client)
    traced.spans(REGISTRATION)
    assert trace_id not in traced.collector.traces()


def test_the_metrics_show_a_trace_to_who_asks_for_openmetrics(clinic: Clinic, traced: Traced) -> None:
    Visit(traced.client)
    metrics = f"http://127.0.0.1:{clinic.ports['reception'] + 1000}/metrics"

    plain = httpx2.get(metrics)
    asked = httpx2.get(metrics, headers={"accept": "application/openmetrics-text; version=1.0.0"})

    assert plain.headers["content-type"].startswith("text/plain")
    assert asked.headers["content-type"].startswith("application/openmetrics-text; version=1.0.0")
    assert "trace_id" not in plain.text
    for metric in ("clinic_http_request_seconds", "clinic_executor_batch_seconds"):
        shown = re.findall(rf'{metric}_bucket{{.*}} .* # {{trace_id="(\w{{32}})"}}', asked.text)
        assert shown
        assert set(shown) <= traced.collector.traces().keys() | {traced.trace_id}
