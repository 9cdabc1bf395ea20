"""Every way to ask the seat reservation wrongly. `{block}`, `{order}` and `{cancelled}` stand for ids."""

import orjson

from tests.scenarios.bad_requests import IDS, JSON, MEBIBYTE, Bad, order

__all__ = ["BAD_ORDERS", "ORDER", "OWNERS"]

OWNERS = {"orders": "order", "seats": "seat", "myPages": "my_page"}

SEATS = {"name": "Stalls A", "seats": 5}
ORDER = {"seat_id": 1, "quantity": 1, "customer": "Ada"}
NO_NAMES: list[object] = [None, "", " ", "x" * 201, "a\nb", "a\0b", "a\x85b", 5, ["A"], {}]
NO_QUANTITIES: list[object] = [None, 0, -1, 2**63, "5", 5.0, 5.5, True, [5]]
CANCELLATION = "/orders/{order}/cancellation"


def seats(wrong: str, **changes: object) -> Bad:
    return Bad(422, "POST /seats", orjson.dumps({**SEATS, **changes}), wrong=wrong)


def placed(wrong: str, **changes: object) -> Bad:
    return Bad(422, "POST /orders", orjson.dumps({**ORDER, **changes}), wrong=wrong)


BAD_ORDERS = [
    *(Bad(400, f"POST {path}", b"{") for path in ("/seats", "/orders", CANCELLATION)),
    *(Bad(400, f"POST {path}", b"") for path in ("/seats", "/orders")),
    Bad(415, "POST /seats", orjson.dumps(SEATS), {}),
    Bad(415, "POST /orders", orjson.dumps(ORDER), {"Content-Type": "text/plain"}),
    Bad(415, f"POST {CANCELLATION}", b"<a/>", {"Content-Type": "application/xml"}),
    *(Bad(413, f"POST {path}", b" " * (MEBIBYTE + 1)) for path in ("/seats", "/orders", CANCELLATION)),
    *(Bad(422, f"POST {path}", b"[]") for path in ("/seats", "/orders", CANCELLATION)),
    *(Bad(422, f"POST {path}", b"{}") for path in ("/seats", "/orders")),
    *(seats("name", name=name) for name in NO_NAMES),
    *(seats("seats", seats=number) for number in NO_QUANTITIES),
    seats("free", free=5),
    seats("id", id=1),
    *(placed("seat_id", seat_id=number) for number in NO_QUANTITIES),
    *(placed("quantity", quantity=number) for number in NO_QUANTITIES),
    Bad(422, "POST /orders", b'{"seat_id": 1, "quantity": 1e400, "customer": "Ada"}', wrong="quantity"),
    *(placed("customer", customer=name) for name in NO_NAMES),
    placed("status", status="confirmed"),
    placed("order_id", order_id=1),
    order(422, CANCELLATION, "reason", reason="changed my mind"),
    order(422, CANCELLATION, "order_id", order_id=1),
    Bad(422, "POST /orders", orjson.dumps(ORDER), {**JSON, "Idempotency-Key": "two words"}),
    Bad(422, "GET /orders?limit=0", wrong="limit"),
    Bad(422, "GET /seats?limit=501", wrong="limit"),
    Bad(422, "GET /seats?before=x", wrong="before"),
    Bad(422, "GET /myPages?limit=ten", wrong="limit"),
    Bad(422, "GET /myPages?customer=a%00b", wrong="customer"),
    Bad(422, "GET /myPages?customer=a%0Ab", wrong="customer"),
    *(Bad(404, f"GET /{collection}/{id_}") for collection in OWNERS for id_ in IDS),
    *(order(404, f"/orders/{id_}/cancellation") for id_ in IDS),
    Bad(404, "GET /orders/"),
    Bad(404, "GET /orders/{order}/cancellation/1"),
    Bad(404, "POST /seats/{block}/cancellation", b"{}"),
    Bad(404, "GET /myPages/{order}/steps"),
    *(
        Bad(405, request)
        for request in (
            "PUT /seats",
            "DELETE /seats/{block}",
            "POST /seats/{block}",
            "PATCH /orders/{order}",
            "DELETE /orders/{order}",
            "GET /orders/{order}/cancellation",
            "POST /myPages",
            "DELETE /myPages/{order}",
        )
    ),
    Bad(409, "POST /orders/{cancelled}/cancellation", None, {}),
    Bad(409, "POST /orders/{cancelled}/cancellation", b"{}"),
]
