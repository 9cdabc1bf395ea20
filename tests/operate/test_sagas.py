"""`clinic sagas`: where an instance stands and what it waits for, as an operator sees it."""

import os
import signal
import socket
from pathlib import Path
from typing import Any

import pytest

from tests.local.conftest import Clinic
from tests.operate.conftest import DOOR, ORDER, PAGE, SEAT, Kiosk, eventually


def shown_when(kiosk: Kiosk, order: str, events: int, *services: str) -> dict[str, Any]:
    """The instance once so many events are in the log, and these services have handled what they receive."""

    def look() -> dict[str, Any] | None:
        shown = kiosk.json("sagas", "show", order)
        marks = [
            mark for each in shown["history"] for name, mark in each["services"].items() if name in services
        ]
        return shown if len(shown["history"]) == events and set(marks) <= {"handled"} else None

    return eventually(look)


def test_a_saga_that_ended_shows_each_event_and_who_handled_it(kiosk: Kiosk) -> None:
    order = kiosk.place_order()

    shown = shown_when(kiosk, order, 3, ORDER, SEAT, PAGE)
    text = kiosk.says("sagas", "show", order)

    assert [(each["type"], each["source"], each["services"]) for each in shown["history"]] == [
        ("OrderPlaced", ORDER, {SEAT: "handled", PAGE: "handled"}),
        ("SeatsReserved", SEAT, {ORDER: "handled"}),
        ("OrderConfirmed", ORDER, {PAGE: "handled"}),
    ]
    assert shown["service"] == ORDER
    assert (shown["saga"], shown["subject"], shown["state"]) == ("purchase", order, "completed")
    (sentence,) = shown["waits_for"]
    assert sentence.startswith("ended completed at ")
    assert f"purchase {order} is completed" in text
    assert text.count("✓") == 4
    assert sentence in text
    assert DOOR not in text, "a gateway handles nothing"


def test_a_saga_whose_next_service_is_down_says_how_to_start_it(kiosk: Kiosk) -> None:
    os.kill(kiosk.clinic.pid(SEAT), signal.SIGKILL)
    order = kiosk.place_order()

    shown = shown_when(kiosk, order, 1, ORDER, PAGE)
    text = kiosk.says("sagas", "show", order)

    assert shown["history"][0]["services"] == {SEAT: "down", PAGE: "handled"}
    assert shown["waits_for"] == [
        f"waits for {SEAT} to handle OrderPlaced ({SEAT} is down: `clinic start {SEAT}`)"
    ]
    assert shown["waits_for"][0] in text
    assert " down " in text
    kiosk.says("start", SEAT)
    kiosk.comes_to(order, "completed")


def test_what_a_service_handled_before_it_went_down_is_known_from_the_log(kiosk: Kiosk) -> None:
    order = kiosk.place_order()
    shown_when(kiosk, order, 3, ORDER, SEAT, PAGE)
    for name in (SEAT, PAGE):
        kiosk.says("stop", name)

    shown = kiosk.json("sagas", "show", order)

    assert [each["services"] for each in shown["history"]] == [
        {SEAT: "handled", PAGE: "down"},
        {ORDER: "handled"},
        {PAGE: "down"},
    ]
    assert shown["waits_for"][1:] == [
        f"{PAGE} may not have handled OrderPlaced, OrderConfirmed yet ({PAGE} is down: `clinic start {PAGE}`)"
    ]


def test_a_stuck_saga_names_the_function_and_its_error(kiosk: Kiosk) -> None:
    order = kiosk.poisoned_order()

    shown = shown_when(kiosk, order, 2, PAGE)
    listed = kiosk.json("sagas", "list", "--stuck")
    text = kiosk.says("sagas", "show", order)

    assert shown["history"][0]["services"] == {SEAT: "parked", PAGE: "handled"}
    assert shown["history"][1]["type"] == "OrderStepStuck"
    assert shown["waits_for"] == [
        f"stuck in {SEAT}: reserve failed on OrderPlaced with RuntimeError "
        f"(`clinic dead-letters list {SEAT} --key order_id:{order}`)"
    ]
    assert [(each["service"], each["subject"], each["state"]) for each in listed["items"]] == [
        (ORDER, order, "stuck")
    ]
    assert "✗" in text
    assert f"{SEAT}: reserve on OrderPlaced, RuntimeError" in kiosk.says("sagas", "list", "--state", "stuck")


def test_where_nothing_is_stuck_the_list_says_so(kiosk: Kiosk) -> None:
    assert kiosk.says("sagas", "list", "--stuck") == "No saga is stuck.\n"
    assert kiosk.json("sagas", "list", "--stuck") == {"items": [], "more": False}


def test_the_list_is_cut_and_says_so(kiosk: Kiosk) -> None:
    orders = [kiosk.place_order() for _ in range(3)]
    for each in orders:
        kiosk.comes_to(each, "completed")

    cut = kiosk("sagas", "list", "--saga", "purchase", "--limit", "2")
    newest = kiosk.json("sagas", "list", "--limit", "2")
    every = kiosk.json("sagas", "list", "--all")

    assert "There are more: --limit or --all shows them." in cut.stderr
    assert [each["subject"] for each in newest["items"]] == [orders[2], orders[1]]
    assert newest["more"] is True
    assert orders[0] in [each["subject"] for each in every["items"]]
    assert every["more"] is False


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["show", "999999"], "There is no saga 999999: `clinic sagas list` shows those there are."),
        (["show", "1", "--saga", "visit"], "No service owns a saga visit: there is purchase."),
        (["list", "--saga", "visit"], "No service owns a saga visit: there is purchase."),
        (
            ["list", "--stuck", "--state", "running"],
            "--stuck and --state running exclude each other: give one of them.",
        ),
        (["list", "--admin", "order"], "Set ADMIN_TOKEN in the environment"),
    ],
)
def test_what_can_not_be_shown_is_one_sentence(kiosk: Kiosk, arguments: list[str], sentence: str) -> None:
    refused = kiosk("sagas", *arguments)

    assert refused.returncode == 1
    assert refused.stderr.startswith(sentence)
    assert refused.stderr.count("\n") == 1


def test_while_the_owner_is_down_the_list_is_no_answer(kiosk: Kiosk) -> None:
    kiosk.says("stop", ORDER)

    listed, shown = kiosk("sagas", "list", "--stuck"), kiosk("sagas", "show", "1")

    assert (listed.returncode, listed.stdout) == (1, "")
    assert listed.stderr == f"{ORDER} is down: `clinic start {ORDER}`. Sagas that it owns are not shown.\n"
    assert shown.returncode == 1
    assert shown.stderr == f"{ORDER} is down: `clinic start {ORDER}`. It may own saga 1.\n"


def test_another_service_that_is_down_does_not_keep_the_list(kiosk: Kiosk) -> None:
    kiosk.says("stop", PAGE)

    assert kiosk("sagas", "list", "--stuck").returncode == 0


def test_services_elsewhere_are_asked_at_the_addresses_given(kiosk: Kiosk) -> None:
    order = kiosk.place_order()
    kiosk.comes_to(order, "completed")
    elsewhere = kiosk.elsewhere(kiosk.token)
    with socket.create_server(("127.0.0.1", 0)) as closed:
        away = f"http://127.0.0.1:{closed.getsockname()[1]}"
    ports = [f"--admin={name}={kiosk.admin_url(name)}" for name in (ORDER, SEAT)]

    shown = elsewhere("sagas", "show", order, *ports, f"--admin={PAGE}={away}")
    listed = elsewhere("sagas", "list", "--limit", "1", ports[0])

    assert shown.returncode == 0, shown.stderr
    assert f"{PAGE} does not answer at {away}: what it handles is not known" in shown.stdout
    assert listed.returncode == 0
    assert "purchase" in listed.stdout


def test_a_list_of_nothing_never_comes_from_the_wrong_port(kiosk: Kiosk) -> None:
    elsewhere = kiosk.elsewhere(kiosk.token)

    swapped = elsewhere("dead-letters", "list", f"--admin={ORDER}={kiosk.admin_url(SEAT)}")
    public = elsewhere("sagas", "list", f"--admin={ORDER}={kiosk.public_url(ORDER)}")

    assert (swapped.returncode, public.returncode) == (1, 1)
    assert f"that is {SEAT}, not {ORDER}" in swapped.stderr
    assert "is no admin port of a service" in public.stderr


def test_a_wrong_token_or_address_says_what_to_do(kiosk: Kiosk) -> None:
    elsewhere = kiosk.elsewhere("wrong")

    refused = elsewhere("sagas", "list", f"--admin=order={kiosk.admin_url(ORDER)}")
    unreadable = elsewhere("sagas", "list", "--admin=127.0.0.1:9080")

    assert (refused.returncode, unreadable.returncode) == (1, 1)
    assert refused.stderr == (
        "order refuses the token: ADMIN_TOKEN has to be the one that order was started with.\n"
    )
    assert "write NAME=URL" in unreadable.stderr


def test_where_nothing_runs_it_says_how_to_start(tmp_path: Path) -> None:
    (tmp_path / "pyproject.toml").write_text(
        '[tool.clinic.systems.x]\nservices = [{name = "x", app = "x:x", port = 1}]'
    )

    refused = Clinic(tmp_path, 1, {})("sagas", "list")

    assert refused.returncode == 1
    assert "start it with `clinic up`" in refused.stderr


def test_the_token_is_kept_for_its_owner_alone(kiosk: Kiosk) -> None:
    file = kiosk.clinic.folder / ".clinic" / "admin_token"

    assert file.stat().st_mode & 0o777 == 0o600
    assert len(file.read_text()) >= 32
