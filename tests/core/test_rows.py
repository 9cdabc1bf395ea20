"""The rows of a batch: what is written of them."""

from datetime import UTC, datetime
from typing import Any

import pytest
from sqlalchemy.orm import configure_mappers

from clinic_lib.rows import Rows, RowTable, row_table
from services.reservation.my_page.domain import MyPage as Page
from tests.core.shop import MyPage

configure_mappers()
TABLE = row_table(MyPage)


def loaded(rows: Rows, number: int, status: str = "placed") -> MyPage:
    """A page as it comes from the database."""
    page: MyPage = TABLE.make((number, status, '["placed"]'))
    rows.add_loaded(TABLE, [page], {("order_id",): {(number,)}})
    return page


def test_a_row_that_nobody_was_handed_is_not_written() -> None:
    rows = Rows()
    loaded(rows, 1)

    assert rows.changes([TABLE]) == []


@pytest.mark.parametrize("times", [1, 2, 3])
def test_a_row_is_written_when_it_differs_from_what_was_loaded(times: int) -> None:
    rows = Rows()
    page = loaded(rows, 1)
    loaded(rows, 2)
    for _ in range(times):
        rows.hand_out(TABLE, page)
        page.steps.append("seen")

    ((_, changed, new),) = rows.changes([TABLE])

    assert ([image[0] for image in changed], new) == ([1], [])


def test_a_row_that_is_as_it_was_loaded_again_is_not_written() -> None:
    rows = Rows()
    page = loaded(rows, 1)
    first = rows.hand_out(TABLE, page)
    page.status = "cancelled"
    rows.hand_out(TABLE, page)
    TABLE.restore(page, first)

    assert rows.changes([TABLE]) == []


def test_a_new_row_that_was_taken_away_leaves_nothing_to_a_row_in_its_place() -> None:
    """Python gives a new object the place, and so the id, of one that is gone."""
    rows = Rows()
    for number in range(100):
        page = MyPage(number, "new")
        rows.add(page)
        rows.hand_out(TABLE, page)
        rows.remove(page)
        del page
        loaded(rows, 1000 + number)

    assert rows.changes([TABLE]) == []


def test_a_default_that_was_left_out_is_written_and_what_was_given_stays() -> None:
    """Which defaults are left out is learnt from rows: what one leaves out may not cover what another gives."""
    now, rows, table = datetime.now(UTC), Rows(), RowTable(Page)
    given: list[dict[str, Any]] = [
        {"seat_name": "Stalls"},
        {"reason": "sold out"},
        {},
        {"seat_name": "Box", "reason": "sold out"},
    ]
    for number, each in enumerate(given):
        rows.add(Page(number, "Ada", 7, 1, "placed", now, [], now, **each))

    ((_, _, new),) = rows.changes([table])

    wanted = [
        (number, "Ada", 7, 1, "placed", now, "[]", now, each.get("seat_name"), each.get("reason"))
        for number, each in enumerate(given)
    ]
    assert new == wanted


def test_a_row_that_leaves_defaults_out_is_not_changed_by_looking_at_it() -> None:
    now, rows, table = datetime.now(UTC), Rows(), RowTable(Page)
    page = Page(1, "Ada", 7, 1, "placed", now, [], now)
    first = rows.hand_out(table, page)
    rows.add_loaded(table, [page], {})

    assert rows.changes([table]) == []
    assert rows.hand_out(table, page) == first
