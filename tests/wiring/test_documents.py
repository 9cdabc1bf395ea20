"""OpenAPI and AsyncAPI of both systems: valid by the official schemas, with examples that are valid by themselves."""

import json
from collections.abc import Iterator
from copy import deepcopy
from dataclasses import replace
from pathlib import Path
from typing import Annotated, Any, Literal

import openapi_spec_validator
import pytest
from jsonschema import Draft7Validator, Draft202012Validator
from pydantic import BaseModel, Field
from starlette.testclient import TestClient

from clinic_lib.examples import example, with_message_examples, with_request_examples
from clinic_lib.local.project import read_project
from clinic_lib.messages import Id, LongText, PastDate, Text
from clinic_lib.wiring import merged
from clinic_lib.wiring.drawing import documents
from clinic_lib.wiring.serving import app_of
from clinic_lib.wiring.systems import Loaded, load
from services.clinic import contracts
from tests.wiring.copies import ROOT

SYSTEMS = ("clinic", "reservation")
ASYNCAPI = Draft7Validator(json.loads((Path(__file__).parent / "asyncapi" / "3.0.0.json").read_text()))


def project() -> Any:
    found = read_project(ROOT)
    assert found
    return found


def services() -> Iterator[Loaded]:
    for system in SYSTEMS:
        yield from load(project(), system)


@pytest.fixture(scope="module", params=SYSTEMS)
def files(request: pytest.FixtureRequest) -> dict[str, str]:
    return documents(project(), request.param)


def read(files: dict[str, str], kind: str) -> dict[str, Any]:
    """Each document of a kind, the merged one too."""
    return {path: json.loads(text) for path, text in files.items() if path.endswith(f"{kind}.json")}


def complaints(document: dict[str, Any]) -> list[str]:
    return [error.message[:200] for error in ASYNCAPI.iter_errors(document)]


def test_every_openapi_document_is_valid(files: dict[str, str]) -> None:
    documents = read(files, "openapi")

    assert len(documents) > 3
    for document in documents.values():
        openapi_spec_validator.validate(document)


def test_every_asyncapi_document_is_valid_by_the_official_schema(files: dict[str, str]) -> None:
    documents = read(files, "asyncapi")

    assert len(documents) > 3
    assert {path: complaints(each) for path, each in documents.items()} == {path: [] for path in documents}


@pytest.mark.parametrize("broken", ["action", "channel", "address", "version"])
def test_the_official_schema_refuses_what_is_wrong(broken: str) -> None:
    document = deepcopy(next(services()).asyncapi)
    operation = next(iter(document["operations"].values()))
    match broken:
        case "action":
            operation["action"] = "publish"
        case "channel":
            del operation["channel"]
        case "address":
            document["channels"]["clinic"]["address"] = 7
        case _:
            document["asyncapi"] = "2.6.0"

    assert complaints(document)


def test_every_message_has_an_example_that_its_own_schema_takes(files: dict[str, str]) -> None:
    for document in read(files, "asyncapi").values():
        for message in document["components"]["messages"].values():
            (made,) = message["examples"]
            validator = Draft202012Validator(message["payload"] | {"components": document["components"]})
            assert list(validator.iter_errors(made["payload"])) == []
            assert made["payload"]["type"] == made["headers"]["type"] == message["name"]


def test_an_example_is_read_by_its_class() -> None:
    document = merged.asyncapi("clinic", load(project(), "clinic"))

    for name, message in document["components"]["messages"].items():
        if event := getattr(contracts, name, None):
            payload = message["examples"][0]["payload"]
            assert event.read(json.dumps(payload["data"]).encode(), 1).subject == payload["subject"]


def test_every_body_has_an_example_that_its_own_schema_takes(files: dict[str, str]) -> None:
    for document in read(files, "openapi").values():
        bodies = [each for each in media_types(document["paths"]) if "$ref" in each["schema"]]
        assert bodies
        for media in bodies:
            validator = Draft202012Validator(media["schema"] | {"components": document["components"]})
            assert list(validator.iter_errors(media["example"])) == []


def media_types(part: Any) -> Iterator[dict[str, Any]]:
    if isinstance(part, dict):
        for name, value in part.items():
            yield from value.values() if name == "content" else media_types(value)


def test_the_merged_document_has_every_request_of_every_service(files: dict[str, str]) -> None:
    documents = read(files, "openapi")
    whole = documents.pop("openapi.json")

    single = {path for each in documents.values() for path in each["paths"]} - {
        "/openapi.json",
        "/asyncapi.json",
    }
    operations = [operation for each in whole["paths"].values() for operation in each.values()]
    assert set(whole["paths"]) == single
    assert len({each["operationId"] for each in operations}) == len(operations)
    assert whole["servers"][0]["url"] in ("http://localhost:8088", "http://localhost:8098")


def test_the_merged_document_tells_who_sends_and_who_receives(files: dict[str, str]) -> None:
    documents = read(files, "asyncapi")
    whole = documents.pop("asyncapi.json")

    assert set(whole["operations"]) == {
        f"{path.partition('/')[0]}_{name}" for path, each in documents.items() for name in each["operations"]
    }


def test_two_services_that_call_different_things_alike_keep_both() -> None:
    one, other = (
        replace(each, openapi=deepcopy(each.openapi)) for each in load(project(), "reservation")[:2]
    )
    one.openapi["components"]["schemas"]["Shared"] = {"type": "string"}
    other.openapi["components"]["schemas"]["Shared"] = {"type": "integer"}
    other.openapi["paths"]["/seats"]["post"]["requestBody"]["content"]["application/json"] = {
        "schema": {"$ref": "#/components/schemas/Shared"}
    }

    document = merged.openapi("reservation", [one, other], "http://localhost")

    body = document["paths"]["/seats"]["post"]["requestBody"]["content"]["application/json"]
    assert document["components"]["schemas"]["Shared"] == {"type": "string"}
    assert document["components"]["schemas"][body["schema"]["$ref"].rpartition("/")[2]] == {"type": "integer"}


def test_the_page_shows_every_request_and_event(files: dict[str, str]) -> None:
    page, openapi, asyncapi = (files[name] for name in ("index.html", "openapi.json", "asyncapi.json"))

    for path in json.loads(openapi)["paths"]:
        assert path in page
    for name in json.loads(asyncapi)["components"]["messages"]:
        assert name in page or name.endswith(("StepStuck", "StepFreed", "DeadlineReached"))


def test_the_documents_are_served(files: dict[str, str]) -> None:
    client = TestClient(app_of(files))

    assert client.get("/").headers["content-type"].startswith("text/html")
    assert client.get("/openapi.json").json() == json.loads(files["openapi.json"])
    assert client.get("/choreography.md").text.startswith("# The choreography of")
    assert client.get("/nothing").status_code == 404


class Everything(BaseModel):
    named: Annotated[str, Field(examples=["chest X-ray"])]
    defaulted: int = 7
    text: Text
    long: LongText
    number: Id
    day: PastDate
    maybe: Text | None = None
    kind: Literal["a", "b"]
    code: Annotated[str, Field(pattern="^[A-Z]$")]
    short: Annotated[str, Field(min_length=8, max_length=8)]
    below: Annotated[int, Field(le=-5)]
    flag: bool
    many: list[Text]
    any_many: list[Any]
    mapped: dict[str, int]
    nothing: None


def test_an_example_follows_the_fields() -> None:
    schema = Everything.model_json_schema()

    made = example(schema, schema.get("$defs", {}))

    Everything.model_validate(made)
    assert (made["named"], made["defaulted"], made["maybe"], made["kind"]) == ("chest X-ray", 7, "maybe", "a")


class Nested(BaseModel):
    child: "Nested"


class Strange(BaseModel):
    code: Annotated[str, Field(pattern="^QX-[0-9]{7}$")]


@pytest.mark.parametrize("model", [Nested, Strange])
def test_where_no_example_can_be_made_there_is_none(model: type[BaseModel]) -> None:
    schema = model.model_json_schema()
    media: dict[str, Any] = {"schema": schema}
    document = {"paths": {"/": {"post": {"content": {"application/json": media}}}}}

    message: dict[str, Any] = {"payload": schema}
    messages = {"components": {"messages": {"Message": message}, "schemas": schema.get("$defs", {})}}

    assert example(schema, schema.get("$defs", {})) is None
    with_message_examples(messages, {"Message": "key"})
    assert "examples" not in message
    with_request_examples(document | {"components": {"schemas": schema.get("$defs", {})}})
    assert "example" not in media
