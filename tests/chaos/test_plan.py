"""A plan of faults is drawn from a seed, printed, and given again."""

import pytest

from clinic_lib.testing.database_faults import Cut, Deadlock, Lock
from clinic_lib.testing.faults import Crash, Kill, Pause, Restart
from clinic_lib.testing.log_faults import Repeat
from clinic_lib.testing.plan import FaultPlan

REPLICAS = {"order": 2, "seat": 2, "my_page": 1}
ALL = {
    "kills": 7,
    "crashes": 3,
    "pauses": 2,
    "kafka": 1,
    "postgresql": 1,
    "cuts": 2,
    "locks": 2,
    "deadlocks": 1,
    "repeats": 2,
}


def test_a_plan_that_was_printed_is_read_as_the_same_plan() -> None:
    plan = FaultPlan.random(7, REPLICAS, seconds=30, **ALL)

    assert FaultPlan.read(str(plan)) == plan


def test_faults_of_ones_own_are_printed_and_read_too() -> None:
    plan = FaultPlan.of(
        Restart(at=3, server="kafka", seconds=0.5),
        Kill(at=1.5, target="seat-2"),
        Crash(at=2, target="order-1", point="after-commit:3", seconds=4),
        Pause(at=4, target="seat-1", seconds=30),
        Cut(at=5, service="seat"),
        Lock(at=6, service="seat", table="seat", seconds=5),
        Deadlock(at=7, service="order"),
        Repeat(at=8, records=20, seconds=2),
    )

    assert FaultPlan.read(str(plan)) == plan
    assert str(plan).splitlines()[:2] == [
        "1.5 s: kill seat-2, start it after 0.0 s",
        "2 s: crash order-1 at after-commit:3, start it after 4 s",
    ]


def test_one_seed_is_one_plan_and_another_seed_another() -> None:
    first = FaultPlan.random(1, REPLICAS, seconds=30, **ALL)

    assert FaultPlan.random(1, REPLICAS, seconds=30, **ALL) == first
    assert FaultPlan.random(2, REPLICAS, seconds=30, **ALL) != first


def test_a_plan_has_as_many_of_each_kind_as_asked_within_its_time() -> None:
    faults = FaultPlan.random(3, REPLICAS, seconds=30, **ALL).faults

    assert len(faults) == sum(ALL.values())
    assert sum(isinstance(fault, Kill) for fault in faults) == ALL["kills"]
    assert all(0 <= fault.at <= 30 for fault in faults)
    assert [fault.at for fault in faults] == sorted(fault.at for fault in faults)


def test_every_process_is_killed_before_one_is_killed_again() -> None:
    faults = FaultPlan.random(4, REPLICAS, seconds=30, kills=5).faults

    killed = {fault.target for fault in faults if isinstance(fault, Kill)}
    assert killed == {"order-1", "order-2", "seat-1", "seat-2", "my_page-1"}


def test_a_kind_that_does_not_exist_is_refused() -> None:
    with pytest.raises(ValueError, match="there are no earthquakes: say kills, crashes"):
        FaultPlan.random(1, REPLICAS, seconds=30, earthquakes=1)


def test_a_line_that_is_no_fault_is_refused() -> None:
    with pytest.raises(ValueError, match="this is no fault: 1 s: kill"):
        FaultPlan.read("1 s: kill everybody")
