"""OpenAPI and AsyncAPI say what the wiring says."""

from typing import Any

import pytest

from clinic_lib import documents
from clinic_lib.queries import FILTER_TEXT
from tests.core import shop
from tests.core.shop import TOPIC, order_service, page_service, seat_service


@pytest.fixture(scope="module")
def openapi() -> dict[str, Any]:
    return documents.openapi(order_service, order_service.endpoints())


def test_every_command_and_query_has_its_path(openapi: dict[str, Any]) -> None:
    assert {path: sorted(methods) for path, methods in openapi["paths"].items()} == {
        "/orders": ["get", "post"],
        "/orders/{id}": ["get"],
        "/orders/{order_id}/cancellation": ["post"],
        "/openapi.json": ["get"],
        "/asyncapi.json": ["get"],
    }


def test_a_command_that_creates_answers_201_with_a_location(openapi: dict[str, Any]) -> None:
    operation = openapi["paths"]["/orders"]["post"]

    assert (operation["operationId"], operation["summary"]) == ("place", "Place an order.")
    assert sorted(operation["responses"]) == ["201", "400", "404", "409", "413", "415", "422", "503"]
    assert operation["responses"]["201"]["headers"]["Location"]["required"] is True
    assert operation["requestBody"]["required"] is True


def test_a_command_about_a_row_answers_200(openapi: dict[str, Any]) -> None:
    operation = openapi["paths"]["/orders/{order_id}/cancellation"]["post"]

    assert "200" in operation["responses"]
    assert [each["name"] for each in operation["parameters"]] == ["order_id", "Idempotency-Key"]


def test_the_body_of_a_command_has_no_field_of_its_path(openapi: dict[str, Any]) -> None:
    schemas = openapi["components"]["schemas"]

    assert sorted(schemas["CancelOrder"]["properties"]) == ["reason"]
    assert sorted(schemas["PlaceOrder"]["properties"]) == ["note", "quantity", "seat_id"]
    assert schemas["PlaceOrder"]["required"] == ["seat_id", "quantity"]
    assert schemas["PlaceOrder"]["additionalProperties"] is False


def test_a_resource_has_the_columns_of_its_row(openapi: dict[str, Any]) -> None:
    assert sorted(openapi["components"]["schemas"]["Order"]["properties"]) == [
        *("created_at", "id", "quantity", "seat_id", "status")
    ]


def test_a_collection_has_its_filters(openapi: dict[str, Any]) -> None:
    parameters = {each["name"]: each["schema"] for each in openapi["paths"]["/orders"]["get"]["parameters"]}

    assert sorted(parameters) == ["before", "limit", "seat_id", "status"]
    assert (parameters["limit"]["default"], parameters["limit"]["maximum"]) == (50, 500)
    assert parameters["seat_id"]["type"] == "integer"
    assert parameters["status"] == {"type": "string", "pattern": FILTER_TEXT}


def test_every_reference_leads_somewhere(openapi: dict[str, Any]) -> None:
    for document in (openapi, *(documents.asyncapi(each) for each in (order_service, seat_service))):
        for reference in references(document):
            found: Any = document
            for part in reference.removeprefix("#/").split("/"):
                found = found[part]


def references(part: Any) -> list[str]:
    if isinstance(part, dict):
        own = [part["$ref"]] if isinstance(part.get("$ref"), str) else []
        return own + [each for value in part.values() for each in references(value)]
    if isinstance(part, list):
        return [each for value in part for each in references(value)]
    return []


def test_the_document_is_valid_openapi(openapi: dict[str, Any]) -> None:
    validator = pytest.importorskip("openapi_spec_validator")

    validator.validate(openapi)


@pytest.mark.parametrize(
    ("service", "operations"),
    [
        (
            order_service,
            [
                *("receiveOrderStepFreed", "receiveOrderStepStuck", "receivePurchaseDeadlineReached"),
                *("receiveSeatsRefused", "receiveSeatsReserved"),
                *("sendOrderCancelled", "sendOrderConfirmed", "sendOrderPlaced"),
                *("sendOrderStepFreed", "sendOrderStepStuck", "sendPurchaseDeadlineReached"),
            ],
        ),
        (
            seat_service,
            [
                *("receiveOrderCancelled", "receiveOrderPlaced"),
                *("sendOrderStepFreed", "sendOrderStepStuck"),
                *("sendSeatsRefused", "sendSeatsReleased", "sendSeatsReserved"),
            ],
        ),
        (
            page_service,
            [
                *("receiveOrderCancelled", "receiveOrderConfirmed", "receiveOrderPlaced"),
                *("sendOrderStepFreed", "sendOrderStepStuck"),
            ],
        ),
    ],
    ids=["order", "seat", "page"],
)
def test_operations_are_what_the_wiring_receives_and_sends(service: Any, operations: list[str]) -> None:
    assert sorted(documents.asyncapi(service)["operations"]) == operations


def test_the_channel_is_the_topic_with_all_its_messages() -> None:
    document = documents.asyncapi(seat_service)

    assert {channel["address"] for channel in document["channels"].values()} == {TOPIC}
    assert sorted(document["channels"][TOPIC]["messages"]) == [
        *("OrderCancelled", "OrderPlaced", "OrderStepFreed", "OrderStepStuck"),
        *("SeatsRefused", "SeatsReleased", "SeatsReserved"),
    ]


def test_a_message_is_a_cloud_event_with_the_data_of_its_class() -> None:
    components = documents.asyncapi(seat_service)["components"]

    payload = components["messages"]["OrderPlaced"]["payload"]
    assert payload["properties"]["type"] == {"const": "OrderPlaced"}
    assert payload["properties"]["data"] == {"$ref": "#/components/schemas/OrderPlaced"}
    assert sorted(components["schemas"]["OrderPlaced"]["properties"]) == [
        *("note", "order_id", "quantity", "seat_id")
    ]
    assert components["messages"]["OrderPlaced"]["summary"] == (shop.OrderPlaced.__doc__ or "")
