"""Dead letters, and the keys that wait behind them."""

from infra.queries.promql import highest, latest, peak, per_second, select, total

__all__ = ["given_up", "given_up_lately", "lying", "new", "parked", "parked_lately", "redriven", "stored"]

ROWS = "clinic_dead_letter_rows"
GIVEN_UP = 'state=~"failed|malformed"'
"""The other states mend themselves: `retrying` is tried again, `waiting` waits behind one."""


def lying(*matchers: str) -> str:
    return latest(ROWS, *matchers, by=("service", "state"))


def given_up() -> str:
    return lying(GIVEN_UP)


def given_up_lately(window: str) -> str:
    """As they were at most: a letter that is soon redriven was there, and no restart of a process takes them away."""
    return peak(ROWS, GIVEN_UP, by=("service", "state"), window=window)


def new(window: str, *, lately: str) -> str:
    """How many more there were `lately` than a window ago. A state that had no letter then had no series either."""
    now = given_up_lately(lately)
    before = highest(f"{select(ROWS, GIVEN_UP)} offset {window}", "service", "state")
    return f"{now} - ({before} or {now} * 0) > 0"


def parked(*matchers: str) -> str:
    return latest("clinic_dead_letter_parked_keys", *matchers, by=("service",))


def parked_lately(window: str) -> str:
    return peak("clinic_dead_letter_parked_keys", by=("service",), window=window)


def stored(*matchers: str) -> str:
    return total(per_second("clinic_dead_letter_stored_total", *matchers), "service", "state")


def redriven(*matchers: str) -> str:
    return total(per_second("clinic_redrive_letters_total", *matchers), "service")
