"""A wrong declaration fails at import, in one sentence with the place where it stands."""

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
from sqlalchemy import ARRAY, Text
from sqlalchemy.ext.asyncio import AsyncConnection
from sqlalchemy.orm import Mapped, mapped_column

from clinic_lib.errors import WiringError
from clinic_lib.messages import Event, Id
from clinic_lib.service import Service
from clinic_lib.storage import NewIds, View
from tests.core import shop
from tests.core.shop import (
    Base,
    CancelOrder,
    MyPage,
    Order,
    OrderCancelled,
    OrderConfirmed,
    OrderPlaced,
    PlaceOrder,
    Seat,
    SeatsReserved,
)

PLACE = re.compile(r"\((?P<file>[^()]+\.py):(?P<line>\d+)\)$")
Declaration = Callable[[Service], object]


class PlainRow:
    """Mapped to no table."""


class Aisle(Base):
    __tablename__ = "wiring_aisle"

    row_number: Mapped[int] = mapped_column(primary_key=True)
    aisle_number: Mapped[int] = mapped_column(primary_key=True)


class Tagged(Base):
    __tablename__ = "wiring_tagged"

    order_id: Mapped[int] = mapped_column(primary_key=True)
    tags: Mapped[list[Any]] = mapped_column(ARRAY(Text))


class SeatView(View):
    id: int


def no_message(service: Service) -> None:
    @service.step
    def handle() -> None: ...


def no_annotation(service: Service) -> None:
    def handle(event: OrderPlaced, seat: Seat) -> None: ...

    del handle.__annotations__["seat"]

    service.step(handle)


def unknown_name(service: Service) -> None:
    def handle(event: OrderPlaced) -> None: ...

    handle.__annotations__["event"] = "NoSuchEvent"
    service.step(handle)


def step_of_a_command(service: Service) -> None:
    @service.step
    def handle(event: PlaceOrder) -> None: ...


def command_of_an_event(service: Service) -> None:
    @service.command("POST", "/orders")
    def handle(command: OrderPlaced) -> None: ...


def message_of_no_kind(service: Service) -> None:
    @service.step
    def handle(event: int) -> None: ...


def unknown_parameter(service: Service) -> None:
    @service.step
    def handle(event: OrderPlaced, seats: int) -> None: ...


def two_rows_in_one(service: Service) -> None:
    @service.step
    def handle(event: OrderPlaced, row: Seat | Order) -> None: ...


def list_of_no_rows(service: Service) -> None:
    @service.step
    def handle(event: OrderPlaced, numbers: list[int]) -> None: ...


def row_that_is_not_mapped(service: Service) -> None:
    @service.step
    def handle(event: OrderPlaced, row: PlainRow) -> None: ...


def row_whose_key_the_event_lacks(service: Service) -> None:
    @service.step
    def handle(event: OrderConfirmed, seat: Seat) -> None: ...


def row_whose_key_one_of_the_events_lacks(service: Service) -> None:
    @service.step
    def handle(event: OrderPlaced | OrderConfirmed, seat: Seat) -> None: ...


def list_that_does_not_have_the_key(service: Service) -> None:
    @service.step
    def handle(event: OrderPlaced, seats: list[Seat]) -> None: ...


def list_of_a_command_by_no_id(service: Service) -> None:
    @service.command("POST", "/orders")
    def handle(command: PlaceOrder, pages: list[MyPage]) -> None: ...


def ids_of_no_row(service: Service) -> None:
    @service.step
    def handle(event: OrderPlaced, ids: NewIds[int]) -> None: ...


def array_column(service: Service) -> None:
    @service.step
    def handle(event: OrderPlaced, row: Tagged) -> None: ...


def keyword_only_parameter(service: Service) -> None:
    @service.step
    def handle(event: OrderPlaced, *, seat: Seat) -> None: ...


def variable_parameters(service: Service) -> None:
    @service.step
    def handle(event: OrderPlaced, *seats: Seat) -> None: ...


def async_without_transaction(service: Service) -> None:
    @service.step
    async def handle(event: OrderPlaced) -> None: ...


def transaction_without_async(service: Service) -> None:
    @service.step
    def handle(event: OrderPlaced, tx: AsyncConnection) -> None: ...


def step_that_returns_a_number(service: Service) -> None:
    @service.step
    def handle(event: OrderPlaced) -> int:
        return 1


def projection_that_returns_an_event(service: Service) -> None:
    @service.projection
    def handle(event: OrderPlaced, page: MyPage | None) -> OrderConfirmed:
        raise NotImplementedError


def same_name_twice(service: Service) -> None:
    def handle(event: OrderPlaced) -> None: ...

    service.step(handle)
    service.step(handle)


def compensation_without_its_step(service: Service) -> None:
    def never_registered(event: OrderPlaced) -> SeatsReserved:
        raise NotImplementedError

    service.compensation(never_registered)


def compensation_of_a_projection(service: Service) -> None:
    @service.projection
    def show(event: OrderPlaced, page: MyPage | None) -> MyPage:
        raise NotImplementedError

    service.compensation(show)


def compensation_of_what_the_step_does_not_answer(service: Service) -> None:
    def reserve(event: OrderPlaced) -> SeatsReserved:
        raise NotImplementedError

    service.step(reserve)

    @service.compensation(reserve)
    def release(event: OrderCancelled, done: OrderConfirmed) -> None: ...


def compensation_whose_row_nobody_names(service: Service) -> None:
    def confirm(event: OrderPlaced) -> OrderConfirmed:
        raise NotImplementedError

    service.step(confirm)

    @service.compensation(confirm)
    def release(event: OrderCancelled, done: OrderConfirmed, seat: Seat) -> None: ...


def command_that_is_a_get(service: Service) -> None:
    @service.command("GET", "/orders")
    def handle(command: PlaceOrder) -> None: ...


def path_that_the_command_lacks(service: Service) -> None:
    @service.command("POST", "/orders/{number}/cancellation")
    def handle(command: CancelOrder) -> None: ...


def query_of_no_row(service: Service) -> None:
    service.query("/plain", PlainRow)


def query_of_two_keys(service: Service) -> None:
    service.query("/aisles", Aisle)


def query_with_an_unknown_filter(service: Service) -> None:
    service.query("/seats", Seat, filters=("colour",))


def query_over_a_function_of_no_row(service: Service) -> None:
    @service.query("/seats")
    def view(seat: int) -> SeatView:
        return SeatView(id=seat)


def query_without_a_view(service: Service) -> None:
    @service.query("/seats")
    def view(seat: Seat) -> int:
        return seat.seat_id


def query_with_a_parameter_that_is_no_row(service: Service) -> None:
    @service.query("/seats")
    def view(seat: Seat, colour: str) -> SeatView:
        return SeatView(id=seat.seat_id)


def query_with_rows_that_cannot_be_found(service: Service) -> None:
    @service.query("/pages")
    def view(page: MyPage, aisles: list[Aisle]) -> SeatView:
        return SeatView(id=page.order_id)


def query_with_a_row_that_cannot_be_found(service: Service) -> None:
    @service.query("/pages")
    def view(page: MyPage, seat: Seat) -> SeatView:
        return SeatView(id=page.order_id)


def view_with_a_field_the_row_lacks(service: Service) -> None:
    class Colourful(View):
        id: int
        colour: str

    service.query("/seats", Seat, view=Colourful)


def event_without_a_topic(service: Service) -> None:
    class Nowhere(Event, key="order_id"):
        order_id: Id


def event_without_a_key(service: Service) -> None:
    class Keyless(Event, topic="shop"):
        order_id: Id


def event_whose_key_is_no_field(service: Service) -> None:
    class Wrong(Event, topic="shop", key="order_id"):
        seat_id: Id


def gauge_by_a_column_of_any_value(service: Service) -> None:
    service.gauge(Seat.free)


def gauge_of_no_column(service: Service) -> None:
    wrong: Any = "seat.free"
    service.gauge(wrong)


def service_with_a_wrong_name(service: Service) -> None:
    Service("Patient Management", system="shop")


WRONG: list[Declaration] = [
    *(no_message, no_annotation, unknown_name, step_of_a_command, command_of_an_event, message_of_no_kind),
    *(unknown_parameter, two_rows_in_one, list_of_no_rows, row_that_is_not_mapped, ids_of_no_row),
    *(row_whose_key_the_event_lacks, row_whose_key_one_of_the_events_lacks, list_that_does_not_have_the_key),
    *(list_of_a_command_by_no_id, array_column, keyword_only_parameter, variable_parameters),
    *(async_without_transaction, transaction_without_async, step_that_returns_a_number),
    *(projection_that_returns_an_event, same_name_twice, compensation_without_its_step),
    *(compensation_of_a_projection, compensation_of_what_the_step_does_not_answer),
    *(compensation_whose_row_nobody_names, command_that_is_a_get, path_that_the_command_lacks),
    *(query_of_no_row, query_of_two_keys, query_with_an_unknown_filter, query_over_a_function_of_no_row),
    *(query_without_a_view, query_with_a_parameter_that_is_no_row, query_with_rows_that_cannot_be_found),
    *(query_with_a_row_that_cannot_be_found, view_with_a_field_the_row_lacks),
    *(event_without_a_topic, event_without_a_key, event_whose_key_is_no_field, service_with_a_wrong_name),
    *(gauge_by_a_column_of_any_value, gauge_of_no_column),
]


@pytest.mark.parametrize("declare", WRONG, ids=lambda declare: declare.__name__)
def test_a_wrong_declaration_says_where_it_stands(declare: Declaration) -> None:
    with pytest.raises(WiringError) as raised:
        declare(Service(f"wrong_{uuid4().hex[:8]}", system="shop"))

    sentence = str(raised.value)
    place = PLACE.search(sentence)
    assert place, sentence
    assert Path(place["file"]) in (Path(__file__), Path(shop.__file__))
    assert "\n" not in sentence


def test_the_line_is_that_of_the_function() -> None:
    def first_line_of_this() -> None: ...

    with pytest.raises(WiringError) as raised:
        Service("wrong", system="shop").step(first_line_of_this)

    place = PLACE.search(str(raised.value))
    assert place
    assert int(place["line"]) == first_line_of_this.__code__.co_firstlineno


def test_right_declarations_are_returned_unchanged() -> None:
    service = Service("right", system="shop")

    def handle(event: OrderPlaced, seat: Seat) -> None: ...

    assert service.step(handle) is handle
    assert [handler.name for handler in service.handlers] == ["handle"]
