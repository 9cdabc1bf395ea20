"""Bugs planted in copies of small services are found within seconds, and told in at most twelve lines."""

from collections.abc import Callable, Sequence
from time import process_time

import pytest

from clinic_lib.service import Service
from clinic_lib.testing.errors import InvariantError
from clinic_lib.testing.explore import explore
from clinic_lib.testing.outcome import Promise
from clinic_lib.testing.promises import EVERY_PROMISE
from clinic_lib.testing.scenario import Scenario, Stores
from clinic_lib.testing.simulation.postgresql import Postgresql
from clinic_lib.testing.simulation.schedule import SOME_OF_EACH, Faults
from tests.testing import planted_bugs as planted

Plot = Callable[[Scenario], object]


def story_of(
    plot: Plot,
    services: Sequence[Service],
    promise: Promise,
    *,
    faults: Faults = SOME_OF_EACH,
    stores: Stores | None = None,
) -> list[str]:
    """The lines of the story that an exploration finds, within ten seconds of a processor's time: others may be
    at work on the machine.
    """
    began = process_time()
    with pytest.raises(InvariantError) as broken:
        explore(plot, *services, promises=(*EVERY_PROMISE, promise), faults=faults, stores=stores)
    assert process_time() - began < 10
    story = str(broken.value).splitlines()
    print("\n".join(story))
    assert len(story) <= 12
    return story


def holds(outcome: object) -> bool:
    return True


def test_services_without_a_bug_pass() -> None:
    services = (planted.order, planted.seat)

    explore(planted.some_orders, *services, promises=(*EVERY_PROMISE, planted.seats_add_up), times=100)


def test_a_missing_compensation_is_found() -> None:
    services = (planted.order, planted.seat_without_compensation)

    story = story_of(planted.some_orders, services, planted.seats_add_up)

    assert any("OrderPlaced" in line and "SeatsReserved" in line for line in story)
    assert any("OrderCancelled" in line for line in story)
    assert story[-1] == "broken: seats add up: 1 of 3 are free, 0 are sold"


def test_an_oversold_seat_is_found() -> None:
    services = (planted.order, planted.greedy_seat)

    story = story_of(planted.orders_for_three_seats, services, planted.never_oversold)

    assert sum("→ SeatsReserved" in line for line in story) == 2
    assert len(story) <= 7
    assert story[-1] == "broken: never oversold: 4 of 3 seats are sold"


def test_a_step_that_forgets_a_cancellation_is_found_in_the_interleaving_that_shows_it() -> None:
    services = (planted.forgetful_order, planted.seat)

    story = story_of(planted.some_orders, services, planted.seats_add_up)

    assert any("status cancelled → confirmed" in line for line in story)
    assert story[-1].startswith("broken: seats add up: ")


def test_a_projection_that_counts_twice_is_found() -> None:
    services = (planted.order, planted.seat, planted.page_that_counts_twice)

    story = story_of(planted.some_orders, services, planted.cancelled_once)

    assert sum("→ OrderCancelled" in line for line in story) == 2
    assert story[-1].endswith("counts 2 times")


def test_a_missing_upcaster_is_found() -> None:
    story = story_of(planted.old_contract, (planted.reader_without_upcaster,), holds)

    assert story[-1] == (
        "broken: no dead letters: tickets could not handle TicketBought of None: "
        "MalformedRecordError: data.customer: Field required"
    )


def test_a_step_whose_sql_is_not_part_of_its_transaction_is_found(postgresql_url: str) -> None:
    with Postgresql(postgresql_url) as postgresql:
        services = (planted.order, planted.careless_payment)

        story = story_of(
            planted.an_order_or_two,
            services,
            planted.charged_once,
            faults=Faults(crash_at=("before-commit",)),
            stores=postgresql.store,
        )

    assert any(line.startswith("payment") and "dies at" in line for line in story)
    assert story[-1] == "broken: charged once: charged are the orders [1, 1]"


def test_one_whose_sql_is_part_of_it_passes(postgresql_url: str) -> None:
    with Postgresql(postgresql_url) as postgresql:
        explore(
            planted.an_order_or_two,
            planted.order,
            planted.careful_payment,
            promises=(*EVERY_PROMISE, planted.charged_once),
            stores=postgresql.store,
            times=10,
        )
