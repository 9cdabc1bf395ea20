"""Dead letters, and the keys that wait behind them."""

from infra.queries.promql import highest, latest, per_second, select, total

__all__ = ["given_up", "lying", "new", "parked", "redriven", "stored"]

ROWS = "clinic_dead_letter_rows"
GIVEN_UP = 'state=~"failed|malformed"'
"""The other states mend themselves: `retrying` is tried again, `waiting` waits behind one."""


def lying(*matchers: str) -> str:
    return latest(ROWS, *matchers, by=("service", "state"))


def given_up() -> str:
    return lying(GIVEN_UP)


def new(window: str) -> str:
    """How many more lie there than a window ago. A state that had no letter then had no series either."""
    before = highest(f"{select(ROWS, GIVEN_UP)} offset {window}", "service", "state")
    return f"{given_up()} - ({before} or {given_up()} * 0) > 0"


def parked(*matchers: str) -> str:
    return latest("clinic_dead_letter_parked_keys", *matchers, by=("service",))


def stored(*matchers: str) -> str:
    return total(per_second("clinic_dead_letter_stored_total", *matchers), "service", "state")


def redriven(*matchers: str) -> str:
    return total(per_second("clinic_redrive_letters_total", *matchers), "service")
