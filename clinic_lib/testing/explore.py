"""Exploration: many schedules of one scenario, and of one that fails the shortest story.

explore(two_orders, order.service, seat.service, promises=(*EVERY_PROMISE, seats_add_up), times=500)
"""

from collections.abc import Callable, Sequence
from itertools import count

from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import seed as seeded
from hypothesis import strategies as st

from clinic_lib.service import Service
from clinic_lib.testing.errors import InvariantError, NotSettledError
from clinic_lib.testing.outcome import Promise
from clinic_lib.testing.promises import EVERY_PROMISE
from clinic_lib.testing.scenario import Scenario, Stores
from clinic_lib.testing.simulation.schedule import SOME_OF_EACH, Drawn, Faults

__all__ = ["explore", "schedules"]

CHOICES = 160
STRETCH = 5
SHRINKS = 150
SHRINKS_ON_A_SERVER = 50
"""So often it is tried to make a failing schedule shorter: a number, so that one seed tells one story."""


def schedules(choices: int = CHOICES) -> st.SearchStrategy[bytes]:
    """Schedules, to be `Drawn`. They shrink towards the calm one, whole stretches at once."""
    if choices <= STRETCH:
        return st.binary(min_size=choices, max_size=choices)
    half = choices // 2
    return st.tuples(schedules(half), schedules(choices - half)).map(b"".join)


def explore(
    plot: Callable[[Scenario], object],
    *services: Service,
    promises: Sequence[Promise] = EVERY_PROMISE,
    faults: Faults = SOME_OF_EACH,
    times: int = 200,
    seed: int = 1,
    stores: Stores | None = None,
) -> None:
    """Run `plot` by so many schedules, each to its rest, and ask all promises. `plot` says what is given and when.

    Raises `InvariantError` with a story of at most twelve lines. One seed explores the same schedules.
    """
    __tracebackhide__ = True
    failed: set[bytes] = set()
    shrinks, most = count(), SHRINKS if stores is None else SHRINKS_ON_A_SERVER

    def attempt(choices: bytes) -> None:
        if failed and choices not in failed and next(shrinks) >= most:
            return
        try:
            scenario = Scenario(*services, schedule=Drawn(choices), stores=stores).suffer(faults)
            plot(scenario)
            scenario.run().check(*promises)
        except (InvariantError, NotSettledError):
            failed.add(choices)
            raise

    explored = settings(
        max_examples=times,
        database=None,
        deadline=None,
        phases=(Phase.generate, Phase.shrink),
        suppress_health_check=list(HealthCheck),
        report_multiple_bugs=False,
        print_blob=False,
    )
    try:
        seeded(seed)(explored(given(schedules())(attempt)))()
    except (InvariantError, NotSettledError) as broken:
        raise type(broken)(str(broken)) from None
