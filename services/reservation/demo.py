"""Five seats and the orders for them through the gateway, and after every step what each service says."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import httpx2

from services.stories import Ids, Step, status, tell_all

__all__ = ["STORIES", "main"]

ORDERS = ("Ada's order", "Grace's order")


@dataclass(frozen=True)
class Seen:
    """The block's free seats; the orders' statuses, and what my page shows of them, an order a line."""

    seat: str
    order: str = ""
    my_page: str = ""


def orders(customer: str, quantity: int, expected: Seen) -> Step[Seen]:
    return Step(
        f"{customer} orders {quantity}",
        "/orders",
        {"quantity": quantity, "customer": customer},
        expected,
        refers={"seat_id": "block"},
        makes=f"{customer}'s order",
    )


STORIES: dict[str, Sequence[Step[Seen]]] = {
    "Five seats, and orders for more": (
        Step(
            "a block of 5 seats",
            "/seats",
            {"name": "Stalls A", "seats": 5},
            Seen("5 of 5 free"),
            makes="block",
        ),
        orders("Ada", 3, Seen("2 of 5 free", "confirmed", "Stalls A: confirmed")),
        orders(
            "Grace",
            3,
            Seen(
                "2 of 5 free",
                "confirmed\ncancelled",
                "Stalls A: confirmed\nStalls A: cancelled, not enough seats: 3 wanted, 2 free",
            ),
        ),
        Step(
            "Ada cancels her order",
            "/orders/{Ada's order}/cancellation",
            {},
            Seen(
                "5 of 5 free",
                "cancelled\ncancelled",
                "Stalls A: cancelled, cancelled by the customer\n"
                "Stalls A: cancelled, not enough seats: 3 wanted, 2 free",
            ),
        ),
    ),
}


def main(base_url: str) -> int:
    """Tell the story to the reservation at `base_url`; 1 when it is refused or a status does not come."""
    return tell_all(base_url, STORIES, look)


def look(client: httpx2.Client, ids: Ids) -> Seen:
    block = client.get(f"/seats/{ids['block']}").raise_for_status().json()
    placed = [ids[name] for name in ORDERS if name in ids]
    return Seen(
        seat=f"{block['free']} of {block['seats']} free",
        order=lines(status(client, f"/orders/{order}") for order in placed),
        my_page=lines(page(client, order) for order in placed),
    )


def page(client: httpx2.Client, order: int) -> str:
    answer = client.get(f"/myPages/{order}")
    if answer.status_code == httpx2.codes.NOT_FOUND:
        return ""
    shown = answer.raise_for_status().json()
    reason = f", {shown['reason']}" if shown["reason"] else ""
    return f"{shown['seat_name']}: {shown['status']}{reason}"


def lines(texts: Iterable[str]) -> str:
    return "\n".join(texts)
