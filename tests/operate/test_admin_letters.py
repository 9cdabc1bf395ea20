"""Every call of the admin port that is about dead letters, and who gets in."""

import httpx2
import pytest

from tests.operate.conftest import ORDER, Kiosk, eventually

LETTER = {
    *("id", "state", "key", "type", "message_id", "topic", "partition", "offset", "handler", "error"),
    *("attempts", "retry_at", "created_at"),
}


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", "/admin/dead-letters"),
        ("GET", "/admin/dead-letters/1"),
        ("POST", "/admin/dead-letters/1/redrive"),
        ("POST", "/admin/dead-letters/redrive"),
        ("DELETE", "/admin/dead-letters/1"),
        ("GET", "/admin/sagas"),
        ("GET", "/admin/sagas/purchase/1"),
        ("POST", "/admin/handled"),
        ("GET", "/admin/service"),
    ],
)
@pytest.mark.parametrize("authorization", [None, "Bearer", "Bearer wrong"])
def test_nobody_gets_in_without_the_token(
    kiosk: Kiosk, method: str, path: str, authorization: str | None
) -> None:
    headers = {"Authorization": authorization} if authorization else {}

    answer = httpx2.request(method, kiosk.admin_url(ORDER) + path, headers=headers)

    assert answer.status_code == 401
    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.headers["www-authenticate"] == "Bearer"


def test_a_dead_letter_is_listed_and_shown_whole(kiosk: Kiosk, seat: httpx2.Client) -> None:
    number = kiosk.poisoned_order()

    (listed,) = seat.get("/admin/dead-letters", params={"key": f"order_id:{number}"}).json()["items"]
    shown = seat.get(f"/admin/dead-letters/{listed['id']}").json()

    assert set(listed) == LETTER
    assert (listed["state"], listed["type"], listed["handler"]) == ("failed", "OrderPlaced", "reserve")
    assert listed["error"] == "RuntimeError: can't reserve 13"
    assert set(shown) == LETTER | {"headers", "record_key", "value", "traceback"}
    assert shown["record_key"] == number
    assert shown["value"]["data"] == {"order_id": int(number), "quantity": 13}
    assert "RuntimeError: can't reserve 13" in shown["traceback"]
    assert {name for name, _ in shown["headers"]} == {"type", "id"}


def test_pages_of_letters_follow_next(kiosk: Kiosk, seat: httpx2.Client) -> None:
    numbers = [kiosk.poisoned_order() for _ in range(3)]

    page = seat.get("/admin/dead-letters", params={"limit": 2, "state": "failed"}).json()
    rest = seat.get("/admin/dead-letters" + page["next"]).json()

    assert [each["key"] for each in page["items"]] == [
        f"order_id:{number}" for number in (numbers[2], numbers[1])
    ]
    assert [each["key"] for each in rest["items"]] == [f"order_id:{numbers[0]}"]
    assert rest["next"] is None


def test_a_redrive_says_how_it_went(kiosk: Kiosk, seat: httpx2.Client) -> None:
    number = kiosk.poisoned_order()
    kiosk.cancel_order(number)
    letter = eventually(lambda: kiosk.letters(key=f"order_id:{number}")[1:])[0]["id"]
    key = {"key": f"order_id:{number}"}
    error = "RuntimeError: can't reserve 13"

    assert seat.post("/admin/dead-letters/redrive", params=key).json() == {
        "handled": 0,
        "remaining": 2,
        "error": error,
    }
    assert seat.post("/admin/dead-letters/redrive").json()["remaining"] == 2
    kiosk.broken.unlink()
    mended = seat.post(f"/admin/dead-letters/{letter}/redrive").json()

    assert mended == {"handled": 2, "remaining": 0, "error": None}
    assert seat.post("/admin/dead-letters/redrive", params=key).json()["handled"] == 0


def test_an_empty_key_redrives_nothing(kiosk: Kiosk, seat: httpx2.Client) -> None:
    kiosk.poisoned_order()
    kiosk.broken.unlink()

    assert seat.post("/admin/dead-letters/redrive", params={"key": ""}).json()["handled"] == 0

    assert len(kiosk.letters()) == 1


def test_what_waits_behind_a_discarded_letter_is_handled(kiosk: Kiosk, seat: httpx2.Client) -> None:
    number = kiosk.poisoned_order()
    kiosk.cancel_order(number)
    letters = eventually(lambda: kiosk.letters(key=f"order_id:{number}")[1:])

    answer = seat.delete(f"/admin/dead-letters/{letters[0]['id']}").json()

    assert answer == {"key": f"order_id:{number}", "handled": 1, "remaining": 0}
    kiosk.comes_to(number, "compensated")


@pytest.mark.parametrize("letter", ["999999", "0", "x", "1e3", "99999999999999999999"])
def test_a_letter_that_is_not_there_is_a_404(seat: httpx2.Client, letter: str) -> None:
    for answer in (
        seat.get(f"/admin/dead-letters/{letter}"),
        seat.delete(f"/admin/dead-letters/{letter}"),
        seat.post(f"/admin/dead-letters/{letter}/redrive"),
    ):
        assert answer.status_code == 404
        assert answer.json()["detail"] == f"there is no dead letter {letter}"


@pytest.mark.parametrize(
    "parameters",
    [{"state": "dead"}, {"limit": "0"}, {"limit": "501"}, {"limit": "x"}, {"before": "-1"}, {"key": "\0"}],
)
def test_wrong_parameters_of_letters_are_a_422(seat: httpx2.Client, parameters: dict[str, str]) -> None:
    answer = seat.get("/admin/dead-letters", params=parameters)

    assert answer.status_code == 422
    assert answer.json()["detail"].startswith(next(iter(parameters)))
