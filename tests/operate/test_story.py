"""What an instance waits for, told from its owner's words, its history and the services' answers."""

from typing import Any

import pytest

from clinic_lib.local.status import Declared
from clinic_lib.operate.story import Listener, Mark, Story

PLACED = {"message_id": "1", "type": "OrderPlaced", "source": "order", "causation_id": None}
RESERVED = {"message_id": "2", "type": "SeatsReserved", "source": "seat", "causation_id": "1"}
STUCK = {"message_id": "3", "type": "OrderStepStuck", "source": "seat", "causation_id": "1"}
SEAT = Declared(receives=["OrderPlaced"], projects=[], sagas=[])
PAGE = Declared(receives=["OrderPlaced"], projects=["OrderPlaced"], sagas=[])


def instance(*history: dict[str, Any], **facts: object) -> dict[str, Any]:
    running: dict[str, object] = {
        "state": "running",
        "deadline_at": None,
        "ended_at": None,
        "stuck": [],
        "key": "order_id:1",
    }
    return {"service": "order", **running, **facts, "history": list(history)}


def up(name: str, declared: Declared, **ids: set[str]) -> Listener:
    """A service that answers; `ids` are those it handled, parked or has forgotten about."""
    return Listener(name, declared, handled={"handled": set(), "parked": set(), "forgotten": set(), **ids})


def down(name: str, declared: Declared | None) -> Listener:
    return Listener(name, declared, down=f"{name} is down: `clinic start {name}`")


@pytest.mark.parametrize(
    ("told", "sentence"),
    [
        (up("seat", SEAT), "waits for seat to handle OrderPlaced"),
        (up("page", PAGE), "page does not show OrderPlaced yet"),
        (
            up("seat", SEAT, parked={"1"}),
            "seat has OrderPlaced among its dead letters (`clinic dead-letters list seat --key order_id:1`)",
        ),
        (
            up("seat", SEAT, handled={"1"}),
            "waits for a request: no service has an event of it left to handle",
        ),
        (
            up("seat", SEAT, forgotten={"1"}),
            "waits for a request: no service has an event of it left to handle",
        ),
        (down("seat", SEAT), "waits for seat to handle OrderPlaced (seat is down: `clinic start seat`)"),
        (down("page", PAGE), "page may not have handled OrderPlaced yet (page is down: `clinic start page`)"),
        (down("seat", None), "seat is down: `clinic start seat`: what it handles is not known"),
    ],
)
def test_a_running_instance_waits_for_who_has_not_handled_its_events(told: Listener, sentence: str) -> None:
    assert Story(instance(PLACED), [told]).waits_for() == [sentence]


def test_of_a_service_that_is_down_the_log_tells_what_it_handled() -> None:
    seat = down("seat", SEAT)

    assert Story(instance(PLACED, RESERVED), [seat]).marks(seat) == [Mark.HANDLED, None]
    assert Story(instance(PLACED, STUCK), [seat]).marks(seat) == [Mark.DOWN, None]


def test_an_instance_that_ended_waits_for_nobody() -> None:
    ended = instance(PLACED, state="completed", ended_at="2026-11-24T14:00:00+00:00")

    first, second = Story(ended, [down("seat", SEAT)]).waits_for()

    assert first.startswith("ended completed at 2026-11-2")
    assert second == "seat may not have handled OrderPlaced yet (seat is down: `clinic start seat`)"


def test_an_overdue_instance_says_so_first() -> None:
    overdue = Story(instance(PLACED, state="overdue"), [up("seat", SEAT)])

    assert overdue.waits_for() == [
        "overdue: it did not end by its deadline",
        "waits for seat to handle OrderPlaced",
    ]


def test_an_instance_whose_start_was_not_sent_says_so() -> None:
    assert Story(instance(), []).waits_for() == [
        "nothing of it is in the log yet: order has still to send its start"
    ]


def test_a_deadline_that_is_still_to_come_is_told() -> None:
    (sentence,) = Story(instance(PLACED, deadline_at="2026-11-24T14:00:00+00:00"), []).waits_for()

    assert sentence.startswith("waits for a request until its deadline at 2026-11-2")
