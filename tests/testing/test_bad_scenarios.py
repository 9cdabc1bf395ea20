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
