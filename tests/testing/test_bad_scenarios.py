"""A scenario that would test nothing is refused in one sentence."""

from typing import Any

import pytest

from clinic_lib.testing.scenario import Scenario
from tests.core import shop


@pytest.mark.parametrize(
    ("seed", "faults", "sentence"),
    [
        (1, {"crash_at": ["nowhere"]}, "'nowhere' is no crash point: there are before-commit, after-commit,"),
        (1, {"duplicate": -1}, "a fault happens 0 times or more"),
        (None, {"duplicate": 1}, "without a seed nothing goes wrong"),
    ],
)
def test_faults_that_cannot_happen_are_refused(
    seed: int | None, faults: dict[str, Any], sentence: str
) -> None:
    scenario = Scenario(shop.seat_service, seed=seed)

    with pytest.raises(ValueError, match=sentence):
        scenario.faults(**faults)


@pytest.mark.parametrize("services", [(), (shop.seat_service, shop.seat_service)], ids=["none", "twice"])
def test_a_scenario_has_services_each_once(services: tuple[Any, ...]) -> None:
    with pytest.raises(ValueError, match="a scenario needs services, each once"):
        Scenario(*services)


def test_time_passes_forwards() -> None:
    with pytest.raises(ValueError, match="time only passes forwards"):
        Scenario(shop.seat_service).advance(minutes=-1)


@pytest.mark.parametrize(
    ("errand", "sentence"),
    [
        ("x", r"^'x' is nothing that people do: give when\(\) a command or an event"),
        (shop.Seat(1, 3), r"^Seat\(.* is nothing that people do"),
        (shop.PlaceOrder, r"^the class PlaceOrder is nothing that people do"),
        (lambda scenario: "x", r"^'x', which a function of when\(\) returned, is nothing that people do"),
    ],
    ids=["text", "row", "class", "function"],
)
def test_what_people_do_is_a_command_or_an_event(errand: Any, sentence: str) -> None:
    scenario = Scenario(shop.order_service)

    with pytest.raises(TypeError, match=sentence):
        scenario.when(errand).run()
