"""The rows of a batch: what is written of them."""

from datetime import UTC, datetime

import pytest
from sqlalchemy.orm import configure_mappers

from clinic_lib.rows import Rows, row_table
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


def test_a_default_that_was_left_out_is_written_and_one_that_was_given_stays() -> None:
    """The first row shows the table which defaults are left out."""
    now, rows = datetime.now(UTC), Rows()
    rows.add(Page(1, "Ada", 7, 1, "placed", now, [], now))
    rows.add(Page(2, "Ada", 7, 1, "placed", now, [], now, seat_name="Stalls"))
    rows.add(Page(3, "Ada", 7, 1, "placed", now, [], now))

    ((table, _, new),) = rows.changes([row_table(Page)])

    names = [image[table.names.index("seat_name")] for image in new]
    assert names == [None, "Stalls", None]
