"""`clinic dead-letters`: list, show, redrive, discard, as an operator does it."""

import pytest

from tests.operate.conftest import ORDER, SEAT, Kiosk, eventually

ERROR = "RuntimeError: can't reserve 13"


def test_a_poisoned_order_is_listed(kiosk: Kiosk) -> None:
    order = kiosk.poisoned_order()

    listed = kiosk.json("dead-letters", "list")
    text = kiosk.says("dead-letters", "list", SEAT, "--state", "failed", "--key", f"order_id:{order}")

    (letter,) = listed["items"]
    assert (letter["service"], letter["key"], letter["state"]) == (SEAT, f"order_id:{order}", "failed")
    assert listed["more"] is False
    for part in (SEAT, "failed", f"order_id:{order}", "OrderPlaced", "reserve", ERROR):
        assert part in text
    assert kiosk.says("dead-letters", "list", ORDER) == "No dead letters.\n"
    assert kiosk.json("dead-letters", "list", "--state", "waiting") == {"items": [], "more": False}


def test_a_letter_is_shown_with_its_record_and_traceback(kiosk: Kiosk) -> None:
    order = kiosk.poisoned_order()
    letter = str(kiosk.letters()[0]["id"])

    shown = kiosk.json("dead-letters", "show", SEAT, letter)
    text = kiosk.says("dead-letters", "show", SEAT, letter)

    assert shown["service"] == SEAT
    assert shown["value"]["data"] == {"order_id": int(order), "quantity": 13}
    assert f"{SEAT} {letter}\n" in text
    assert '"quantity": 13' in text
    assert "header type   OrderPlaced" in text
    assert f"header id     {shown['message_id'].replace('-', '')}" in text
    assert text.rstrip().endswith(ERROR)
    assert "Traceback (most recent call last):" in text


def test_after_the_fix_a_redrive_handles_the_key_in_order(kiosk: Kiosk) -> None:
    order = kiosk.poisoned_order()
    kiosk.cancel_order(order)
    eventually(lambda: kiosk.letters(key=f"order_id:{order}")[1:])

    broken = kiosk("dead-letters", "redrive", SEAT, "--key", f"order_id:{order}")
    kiosk.broken.unlink()
    mended = kiosk("dead-letters", "redrive", SEAT, "--key", f"order_id:{order}")

    assert (broken.returncode, broken.stdout) == (1, f"0 handled, 2 remaining; it stopped at {ERROR}\n")
    assert (mended.returncode, mended.stdout) == (0, "2 handled, 0 remaining\n")
    kiosk.comes_to(order, "compensated")


def test_a_redrive_takes_a_letter_or_all(kiosk: Kiosk) -> None:
    first, second = kiosk.poisoned_order(), kiosk.poisoned_order()
    letter = kiosk.letters(key=f"order_id:{first}")[0]["id"]
    kiosk.broken.unlink()

    assert kiosk.json("dead-letters", "redrive", SEAT, str(letter)) == {
        "handled": 1,
        "remaining": 0,
        "error": None,
    }
    assert kiosk.says("dead-letters", "redrive", SEAT, "--all") == "1 handled, 0 remaining\n"

    kiosk.comes_to(first, "completed")
    kiosk.comes_to(second, "completed")


def test_a_letter_is_discarded_when_the_operator_says_so(kiosk: Kiosk) -> None:
    order = kiosk.poisoned_order()
    letter = str(kiosk.letters()[0]["id"])

    asked = kiosk("dead-letters", "discard", SEAT, letter)
    kept = len(kiosk.letters())
    discarded = kiosk("dead-letters", "discard", SEAT, letter, "--yes")

    assert asked.returncode == 1
    assert f"OrderPlaced of order_id:{order} will never be handled by reserve of {SEAT}" in asked.stderr
    assert kept == 1
    assert (discarded.returncode, discarded.stdout) == (0, "1 discarded; behind 0 handled, 0 remaining\n")
    assert kiosk.letters() == []
    kiosk.comes_to(order, "running")


def test_a_service_that_is_down_is_said(kiosk: Kiosk) -> None:
    kiosk.poisoned_order()
    kiosk.says("stop", SEAT)

    listed = kiosk("dead-letters", "list")
    redriven = kiosk("dead-letters", "redrive", SEAT, "--all")

    assert (listed.returncode, listed.stdout) == (1, "")
    assert listed.stderr == f"{SEAT} is down: `clinic start {SEAT}`. Its dead letters are not shown.\n"
    assert (redriven.returncode, redriven.stderr) == (1, f"{SEAT} is down: `clinic start {SEAT}`.\n")


def test_one_replica_answers_for_all(kiosk: Kiosk) -> None:
    kiosk.poisoned_order()
    kiosk.says("scale", SEAT, "2")
    try:
        assert len(kiosk.json("dead-letters", "list", SEAT)["items"]) == 1
    finally:
        kiosk.says("scale", SEAT, "1")


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["show", SEAT, "999999"], f"{SEAT}: there is no dead letter 999999."),
        (["discard", SEAT, "999999", "--yes"], f"{SEAT}: there is no dead letter 999999."),
        (["redrive", SEAT, "999999"], f"{SEAT}: there is no dead letter 999999."),
        (["list", "nobody"], "There is no service nobody: there is "),
        (["redrive", SEAT], f"Say which: `clinic dead-letters redrive {SEAT} ID`, --key KEY or --all."),
        (["redrive", SEAT, "1", "--all"], f"Say which: `clinic dead-letters redrive {SEAT} ID`, --key KEY"),
        (
            ["redrive", SEAT, "--key", "order_id:999999"],
            f"{SEAT} has no dead letter of order_id:999999: `clinic dead-letters list {SEAT}`.",
        ),
        (["list", "--key", "a\nb"], f"{ORDER} answers 422: key: no control characters."),
    ],
)
def test_what_can_not_be_done_is_one_sentence(kiosk: Kiosk, arguments: list[str], sentence: str) -> None:
    refused = kiosk("dead-letters", *arguments)

    assert (refused.returncode, refused.stdout) == (1, "")
    assert refused.stderr.startswith(sentence)
    assert refused.stderr.count("\n") == 1
