"""What a reader of one schema makes of what another one wrote."""

from datetime import date
from typing import Annotated, Any, Literal

import pytest
from pydantic import BaseModel, Field, TypeAdapter, create_model

from clinic_lib.wiring.schemas import unreadable


class Inner(BaseModel):
    name: str


class Wider(BaseModel):
    name: str
    phone: str | None = None


class Narrower(BaseModel):
    name: str
    phone: str


Small = Annotated[int, Field(ge=1, le=10)]
Large = Annotated[int, Field(ge=1, le=100)]
Short = Annotated[str, Field(min_length=1, max_length=5)]

SAME: list[tuple[Any, Any]] = [
    *((int, int), (float, int), (Large, Small), (int, Small), (int | None, int), (str, Short)),
    *((Literal["a", "b"], Literal["a"]), (str, Literal["a"]), (list[int], list[int]), (Any, int)),
    *((Wider, Inner), (Inner, Wider), (Inner, Narrower), (list[Wider], list[Inner]), (dict[str, Any], Inner)),
    *((int | str, str), (date, date), (Inner | None, Inner), (bool, Literal[True])),
]
NARROWED: list[tuple[Any, Any, str]] = [
    (int, str, "field is string, and is read as integer"),
    (int, float, "field is number, and is read as integer"),
    (str, str | None, "field may be null, and is read as string"),
    (Small, Large, "field has maximum 100, and is read up to 10"),
    (Small, int, "field has minimum none, and is read from 1 on"),
    (Short, str, "field has minLength none, and is read from 1 on"),
    (Literal["a"], Literal["a", "b"], "field may be b, and is read as a"),
    (Literal["a"], str, "field may be any value, and is read as a"),
    (date, str, "field has format none, and is read as date"),
    (Narrower, Inner, "field.phone is not there, and is read"),
    (Inner, int, "field is integer, and is read as object"),
    (list[Narrower], list[Inner], "field[].phone is not there, and is read"),
    (list[int], list[str], "field[] is string, and is read as integer"),
    (int | None, str | None, "field may be string, and is read as integer or null"),
]
ROUGHLY: list[tuple[Any, Any, bool]] = [
    *((str, str | None, True), (Small, Large, True), (Literal["a"], Literal["b"], True), (Short, str, True)),
    *((int, str, False), (Narrower, Inner, False), (int | None, str, False)),
]


def schema(annotation: Any) -> dict[str, Any]:
    model: type[BaseModel] = create_model("Model", field=(annotation, ...))
    return model.model_json_schema()


@pytest.mark.parametrize(("reader", "writer"), SAME)
def test_what_is_as_wide_or_wider_is_read(reader: Any, writer: Any) -> None:
    assert list(unreadable(schema(reader), schema(writer))) == []


@pytest.mark.parametrize(("reader", "writer", "sentence"), NARROWED)
def test_what_is_narrower_is_named(reader: Any, writer: Any, sentence: str) -> None:
    assert sentence in list(unreadable(schema(reader), schema(writer)))


@pytest.mark.parametrize(("reader", "writer", "readable"), ROUGHLY)
def test_roughly_only_another_type_and_what_is_missing_count(
    reader: Any, writer: Any, readable: bool
) -> None:
    assert (list(unreadable(schema(reader), schema(writer), roughly=True)) == []) is readable


@pytest.mark.parametrize(
    "annotation", [int, Small, Short, Inner, list[Wider], int | None, Literal["a", "b"], date]
)
def test_everything_reads_itself(annotation: Any) -> None:
    itself = TypeAdapter(annotation).json_schema()

    assert list(unreadable(itself, itself)) == []


def test_a_field_more_is_refused_by_who_takes_no_other() -> None:
    strict = Inner.model_json_schema() | {"additionalProperties": False}

    assert list(unreadable(strict, Wider.model_json_schema())) == ["phone is refused"]


def test_a_list_of_types_is_a_union() -> None:
    maybe = {"type": ["string", "null"]}

    assert list(unreadable(maybe, {"type": "null"})) == []
    assert list(unreadable({"type": "string"}, maybe)) == ["it may be null, and is read as string"]
