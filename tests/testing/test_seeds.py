"""One seed is one run, byte for byte, in whatever process it is had."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from clinic_lib.testing.errors import InvariantError
from clinic_lib.testing.explore import explore
from clinic_lib.testing.scenario import Scenario
from clinic_lib.testing.simulation.schedule import SOME_OF_EACH
from tests.services.reservation_plot import RESERVATION, a_contended_block
from tests.testing import planted_bugs as planted

ROOT = Path(__file__).parents[2]


def told(seed: int) -> str:
    """All that happened, and every byte of the log."""
    scenario = Scenario(*RESERVATION, seed=seed).suffer(SOME_OF_EACH)
    a_contended_block(scenario)
    scenario.advance(minutes=16)
    return "\n".join([*scenario.story, *(repr(record) for record in scenario.log.records)])


def found() -> str:
    with pytest.raises(InvariantError) as broken:
        explore(
            planted.some_orders,
            planted.order,
            planted.seat_without_compensation,
            promises=[planted.seats_add_up],
        )
    return str(broken.value)


@pytest.mark.parametrize("seed", range(5))
def test_the_same_seed_is_the_same_run(seed: int) -> None:
    assert told(seed) == told(seed)


def test_other_seeds_are_other_runs() -> None:
    assert len({told(seed) for seed in range(5)}) == 5


def test_a_new_process_with_other_hashes_has_the_same_runs_and_finds_the_same_story() -> None:
    program = (
        "from tests.testing.test_seeds import found, told; print(*map(told, range(5)), found(), sep='\\n')"
    )

    outputs = {
        subprocess.run(
            [sys.executable, "-c", program],
            cwd=ROOT,
            env=os.environ | {"PYTHONHASHSEED": hash_seed, "SHOP_RUN": "seeds"},
            check=True,
            capture_output=True,
            text=True,
        ).stdout
        for hash_seed in ("1", "2")
    }

    (output,) = outputs
    assert output.splitlines()[-1] == "broken: seats add up: 1 of 3 are free, 0 are sold"
    assert "\n".join(map(told, range(5))) in output
