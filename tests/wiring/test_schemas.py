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


class Tree(BaseModel):
    kids: "list[Tree]"
    name: str = "none"


class Trunk(BaseModel):
    """A tree that also says how high it is."""

    kids: "list[Trunk]"
    name: int


Small = Annotated[int, Field(ge=1, le=10)]
Large = Annotated[int, Field(ge=1, le=100)]
Short = Annotated[str, Field(min_length=1, max_length=5)]

SAME: list[tuple[Any, Any]] = [
    *((int, int), (float, int), (Large, Small), (int, Small), (int | None, int), (str, Short)),
    *((Literal["a", "b"], Literal["a"]), (str, Literal["a"]), (list[int], list[int]), (Any, int)),
    *((Wider, Inner), (Inner, Wider), (Inner, Narrower), (list[Wider], list[Inner]), (dict[str, Any], Inner)),
    *((int | str, str), (date, date), (Inner | None, Inner), (bool, Literal[True]), (Tree, Tree)),
    *((dict[str, int], dict[str, int]), (dict[str, float], dict[str, Small]), (dict[str, str], Inner)),
    *((dict[str, Any], dict[str, int]), (dict[str, Wider], dict[str, Inner]), (Tree | None, Tree)),
    *(
        (tuple[int, str], tuple[int, str]),
        (tuple[float, str], tuple[int, Short]),
        (list[int], tuple[int, int]),
    ),
    *((tuple[int, ...], list[int]), (tuple[Tree, int], tuple[Tree, int]), (dict[str, Tree], dict[str, Tree])),
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
    (dict[str, int], dict[str, str], "field{} is string, and is read as integer"),
    (dict[str, int], dict[str, Any], "field{} is anything, and is read as integer"),
    (dict[str, int], Inner, "field.name is string, and is read as integer"),
    (dict[str, Narrower], dict[str, Inner], "field{}.phone is not there, and is read"),
    (dict[Short, int], dict[str, int], "field has propertyNames none, and is read as"),
    (tuple[int, str], tuple[str, int], "field[0] is string, and is read as integer"),
    (tuple[int, str], tuple[int, int], "field[1] is integer, and is read as string"),
    (tuple[int, str], tuple[int], "field has minItems 1, and is read from 2 on"),
    (tuple[int], tuple[int, str], "field has maxItems 2, and is read up to 1"),
    (tuple[int, int], list[int], "field has maxItems none, and is read up to 2"),
    (list[int], tuple[int, str], "field[1] is string, and is read as integer"),
    (Tree, Trunk, "field.name is integer, and is read as string"),
    (Trunk, Tree, "field.name is string, and is read as integer"),
    (Annotated[int, Field(multiple_of=5)], int, "field has multipleOf none, and is read as 5"),
]
ROUGHLY: list[tuple[Any, Any, bool]] = [
    *((str, str | None, True), (Small, Large, True), (Literal["a"], Literal["b"], True), (Short, str, True)),
    *((int, str, False), (Narrower, Inner, False), (int | None, str, False)),
    *(
        (dict[str, int], dict[str, str], False),
        (dict[str, Small], dict[str, Large], True),
        (Tree, Tree, True),
    ),
    *((tuple[int, str], tuple[str, int], False), (tuple[int, int], tuple[int], False)),
    *((tuple[int], tuple[int, int], False), (list[int], tuple[int, int], True)),
    (list[int], Annotated[list[int], Field(min_length=3)], True),
]


def schema(annotation: Any) -> dict[str, Any]:
    model: type[BaseModel] = create_model("Model", field=(annotation, ...))
    return model.model_json_schema()


@pytest.mark.parametrize(("reader", "writer"), SAME)
def test_what_is_as_wide_or_wider_is_read(reader: Any, writer: Any) -> None:
    assert list(unreadable(schema(reader), schema(writer))) == []


@pytest.mark.parametrize(("reader", "writer", "sentence"), NARROWED)
def test_what_is_narrower_is_named(reader: Any, writer: Any, sentence: str) -> None:
    assert any(each.startswith(sentence) for each in unreadable(schema(reader), schema(writer)))


@pytest.mark.parametrize(("reader", "writer", "readable"), ROUGHLY)
def test_roughly_only_another_type_and_what_is_missing_count(
    reader: Any, writer: Any, readable: bool
) -> None:
    assert (list(unreadable(schema(reader), schema(writer), roughly=True)) == []) is readable


@pytest.mark.parametrize(
    "annotation",
    [int, Small, Short, Inner, list[Wider], int | None, Literal["a", "b"], date, Tree, dict[Short, int]],
)
def test_everything_reads_itself(annotation: Any) -> None:
    itself = TypeAdapter(annotation).json_schema()

    assert list(unreadable(itself, itself)) == []


def test_a_field_more_is_refused_by_who_takes_no_other() -> None:
    strict = Inner.model_json_schema() | {"additionalProperties": False}

    assert list(unreadable(strict, Wider.model_json_schema())) == ["phone is refused"]


def test_a_dictionary_is_refused_by_who_takes_no_other_field() -> None:
    strict = {"type": "object", "additionalProperties": False}
    anything = {"type": "object", "additionalProperties": True}

    assert list(unreadable(strict, anything)) == ["each field of it that is not named is refused"]


def test_a_list_of_types_is_a_union() -> None:
    maybe = {"type": ["string", "null"]}

    assert list(unreadable(maybe, {"type": "null"})) == []
    assert list(unreadable({"type": "string"}, maybe)) == ["it may be null, and is read as string"]
