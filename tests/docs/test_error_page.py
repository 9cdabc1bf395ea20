"""The page of errors is what the code says, and says what to do about each."""

from website.error_page import ADVICE, PAGE, STATUSES, errors, page, statuses


def test_the_page_is_the_codes() -> None:
    assert page() == PAGE.read_text(), "python -m website.error_page"


def test_every_status_and_every_error_has_its_advice_and_no_other_has() -> None:
    assert statuses() == set(STATUSES)
    assert {each.__name__ for each in errors()} == set(ADVICE)
