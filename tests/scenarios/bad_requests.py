"""Every way to ask wrongly, as a table: the request, the status, and the field that is to blame."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

import orjson

__all__ = ["IDS", "JSON", "MEBIBYTE", "OWNERS", "PATIENT", "TABLE", "Bad", "order"]

OWNERS = {
    "receptions": "reception",
    "diagnoses": "diagnosis",
    "examinations": "examination",
    "patientManagements": "patient_management",
}
MEBIBYTE = 1024 * 1024
TOMORROW = (datetime.now(UTC) + timedelta(days=2)).date().isoformat()

PATIENT = {"name": "Ada", "birth_date": "1985-12-10"}
JSON = {"Content-Type": "application/json"}


@dataclass(frozen=True)
class Bad:
    """A request; `wrong` is the field that a 422 must name. `{open}` and `{ended}` stand for ids."""

    status: int
    request: str
    body: bytes | Callable[[], Iterator[bytes]] | None = None
    headers: dict[str, str] = field(default_factory=lambda: JSON)
    wrong: str | None = None

    def __str__(self) -> str:
        content = self.body if isinstance(self.body, bytes) else b""
        return f"{self.status} {self.request} {content[:40]!r}"


def registration(wrong: str, **changes: object) -> Bad:
    body = {"patient": PATIENT, "symptoms": "cough", **changes}
    return Bad(422, "POST /receptions", orjson.dumps(body), wrong=wrong)


def patient(wrong: str, **changes: object) -> Bad:
    return registration(f"patient.{wrong}", patient={**PATIENT, **changes})


def order(status: int, request: str, wrong: str | None = None, **body: object) -> Bad:
    return Bad(status, f"POST {request}", orjson.dumps(body), wrong=wrong)


def of_type(content_type: str | None) -> Bad:
    headers = {} if content_type is None else {"Content-Type": content_type}
    return Bad(415, "POST /receptions", orjson.dumps({"patient": PATIENT, "symptoms": "cough"}), headers)


def too_much() -> Iterator[bytes]:
    for _ in range(20):
        yield b" " * (MEBIBYTE // 10)


NOT_JSON = [
    Bad(400, "POST /receptions", body)
    for body in (
        b"",
        b" ",
        b"{",
        b"cough",
        b"{'patient': 1}",
        b'{"patient": NaN}',
        b'{"symptoms": Infinity}',
        b'{"symptoms": "a"} {}',
        b'{"symptoms": "a",}',
        b'{"symptoms": "\xff"}',
        b'{"symptoms": "a\nb"}',
        '{"symptoms": "a"}'.encode("utf-16"),
        b"[" * 100_000,
    )
] + [
    Bad(400, f"POST {path}", b"{")
    for path in (
        "/receptions/{open}/cancellation",
        "/diagnoses/{open}/prescription",
        "/diagnoses/{open}/completion",
        "/diagnoses/{open}/rejection",
        "/examinations/{open_examination}/result",
        "/examinations/{open_examination}/cancellation",
    )
]

NOT_DECLARED_AS_JSON = [
    of_type(None),
    of_type("text/plain"),
    of_type("application/x-www-form-urlencoded"),
    of_type("multipart/form-data; boundary=x"),
    of_type("application/jsonx"),
    of_type("json"),
    Bad(
        415, "POST /diagnoses/{open}/prescription", b'{"examination": "X-ray"}', {"Content-Type": "text/json"}
    ),
    Bad(415, "POST /examinations/{open_examination}/result", b"<a/>", {"Content-Type": "application/xml"}),
]

TOO_LARGE = [
    Bad(413, "POST /receptions", b" " * (MEBIBYTE + 1)),
    Bad(413, "POST /receptions", b" " * (3 * MEBIBYTE)),
    Bad(413, "POST /receptions", too_much),
    Bad(413, "POST /diagnoses/{open}/completion", b" " * (MEBIBYTE + 1)),
    Bad(413, "POST /examinations/{open_examination}/result", too_much),
]

INVALID = [
    Bad(422, "POST /receptions", b"{}", wrong="patient"),
    Bad(422, "POST /receptions", b"[]"),
    Bad(422, "POST /receptions", b"null"),
    Bad(422, "POST /receptions", b'"cough"'),
    Bad(422, "POST /receptions", b"1e400"),
    Bad(422, "POST /receptions", b"1" * 5000),
    Bad(422, "POST /receptions", b"[" * 300 + b"]" * 300),
    Bad(
        422,
        "POST /receptions",
        b'{"patient": {"name": "\\ud800", "birth_date": "1985-12-10"}, "symptoms": "a"}',
    ),
    registration("symptoms", symptoms=None),
    registration("symptoms", symptoms=5),
    registration("symptoms", symptoms=["cough"]),
    registration("symptoms", symptoms=""),
    registration("symptoms", symptoms=" \t "),
    registration("symptoms", symptoms="x" * 2001),
    registration("symptoms", symptoms="a\0b"),
    registration("symptoms", symptoms="a\nb"),
    registration("symptoms", symptoms="a\x1bb"),
    registration("symptoms", symptoms="a\x85b"),
    registration("status", status="completed"),
    registration("id", id=1),
    registration("patient", patient=None),
    registration("patient", patient="Ada"),
    registration("patient", patient=[]),
    registration("patient.name", patient={"birth_date": "1985-12-10"}),
    registration("patient.birth_date", patient={"name": "Ada"}),
    patient("name", name=""),
    patient("name", name=7),
    patient("name", name=True),
    patient("name", name={}),
    patient("name", name="x" * 201),
    patient("name", name="Ada\0"),
    patient("name", name="Ada\r\nBcc: all"),
    patient("phone", phone=""),
    patient("phone", phone=5551234),
    patient("phone", phone="5" * 201),
    patient("age", age=40),
    patient("birth_date", birth_date=TOMORROW),
    patient("birth_date", birth_date="9999-12-31"),
    patient("birth_date", birth_date="1985-13-01"),
    patient("birth_date", birth_date="1985-02-30"),
    patient("birth_date", birth_date="10.12.1985"),
    patient("birth_date", birth_date="yesterday"),
    patient("birth_date", birth_date=19851210),
    patient("birth_date", birth_date=None),
    order(422, "/receptions/{open}/cancellation", "reason"),
    order(422, "/receptions/{open}/cancellation", "reason", reason=""),
    order(422, "/receptions/{open}/cancellation", "reason", reason="x" * 2001),
    order(422, "/receptions/{open}/cancellation", "reception_id", reason="x", reception_id=1),
    order(422, "/diagnoses/{open}/prescription", "examination"),
    order(422, "/diagnoses/{open}/prescription", "examination", examination="x" * 201),
    order(422, "/diagnoses/{open}/prescription", "examination", examination=["X-ray"]),
    order(422, "/diagnoses/{open}/prescription", "urgent", examination="X-ray", urgent=True),
    order(422, "/diagnoses/{open}/completion", "opinion"),
    order(422, "/diagnoses/{open}/completion", "opinion", opinion=" "),
    order(422, "/diagnoses/{open}/rejection", "reason", reason=None),
    order(422, "/examinations/{open_examination}/result", "finding", finding="\x07"),
    order(422, "/examinations/{open_examination}/result", "finding", finding="x" * 2001),
    order(422, "/examinations/{open_examination}/cancellation", "reason", reason=0),
    Bad(422, "GET /receptions?limit=0", wrong="limit"),
    Bad(422, "GET /receptions?limit=501", wrong="limit"),
    Bad(422, "GET /diagnoses?limit=-1", wrong="limit"),
    Bad(422, "GET /diagnoses?limit=ten", wrong="limit"),
    Bad(422, "GET /examinations?limit=1e2", wrong="limit"),
    Bad(422, "GET /examinations?reception_id=x", wrong="reception_id"),
    Bad(422, f"GET /examinations?reception_id={2**63}", wrong="reception_id"),
    Bad(422, "GET /patientManagements?limit=", wrong="limit"),
]

IDEMPOTENCY_KEYS = [
    Bad(
        422,
        "POST /receptions",
        orjson.dumps({"patient": PATIENT, "symptoms": "cough"}),
        {**JSON, "Idempotency-Key": key},
    )
    for key in ("", "x" * 256, "two words")
]

IDS = (
    "999999999",
    "0",
    "-1",
    "+1",
    "01",
    "abc",
    "1.5",
    str(2**63),
    str(2**64),
    "9" * 400,
    "1%00",
    "%20",
    "1;x",
    "null",
)

UNKNOWN = [
    *(Bad(404, f"GET /{collection}/{id_}") for collection in OWNERS for id_ in IDS),
    *(order(404, f"/receptions/{id_}/cancellation", reason="x") for id_ in IDS),
    *(order(404, f"/diagnoses/{id_}/completion", opinion="x") for id_ in IDS[:3]),
    *(order(404, f"/diagnoses/{id_}/rejection", reason="x") for id_ in IDS[:3]),
    *(order(404, f"/diagnoses/{id_}/prescription", examination="x") for id_ in IDS[:3]),
    *(order(404, f"/examinations/{id_}/result", finding="x") for id_ in IDS[:3]),
    *(order(404, f"/examinations/{id_}/cancellation", reason="x") for id_ in IDS[:3]),
    Bad(404, "GET /receptions/1/2/3"),
    Bad(404, "GET /receptions/"),
    Bad(404, "POST /receptions/{open}/completion", b"{}"),
    Bad(404, "POST /diagnoses/{open}/cancellation", b"{}"),
    Bad(404, "GET /patientManagements/{open}/steps"),
]

NOT_ALLOWED = [
    Bad(405, request)
    for request in (
        "PUT /receptions",
        "DELETE /receptions",
        "PATCH /receptions/{open}",
        "DELETE /receptions/{open}",
        "POST /receptions/{open}",
        "GET /receptions/{open}/cancellation",
        "PUT /receptions/{open}/cancellation",
        "POST /diagnoses",
        "DELETE /diagnoses/{open}",
        "GET /diagnoses/{open}/completion",
        "POST /examinations",
        "GET /examinations/{open_examination}/result",
        "POST /patientManagements",
        "POST /patientManagements/{open}",
        "DELETE /patientManagements/{open}",
        "OPTIONS /receptions",
        "TRACE /receptions",
    )
]

FORBIDDEN_NOW = [
    order(409, "/receptions/{ended}/cancellation", reason="went home"),
    order(409, "/diagnoses/{ended}/prescription", examination="X-ray"),
    order(409, "/diagnoses/{ended}/completion", opinion="a cold"),
    order(409, "/diagnoses/{ended}/rejection", reason="not ours"),
    order(409, "/diagnoses/{open}/completion", opinion="a cold"),
    order(409, "/examinations/{ended_examination}/result", finding="clear"),
    order(409, "/examinations/{ended_examination}/cancellation", reason="no film"),
]

TABLE = [
    *NOT_JSON,
    *NOT_DECLARED_AS_JSON,
    *TOO_LARGE,
    *INVALID,
    *IDEMPOTENCY_KEYS,
    *UNKNOWN,
    *NOT_ALLOWED,
    *FORBIDDEN_NOW,
]
