"""Arrays: lists of values that travel to PostgreSQL as array literals, `{1,2,3}`.

The driver writes an array value by value, which costs half a microsecond each: a quarter of what a message cost.
A literal is written at once by orjson, whose lists differ from it by their brackets and the escapes of control
characters; the server reads each value as its type's text. So it matters that each value is of the kind that the
column wants: a list among texts would become several elements, and shift those behind it to other rows.
Source: https://www.postgresql.org/docs/current/arrays.html#ARRAYS-IO
"""

import re
from collections.abc import Callable, Iterable
from datetime import UTC, date, datetime
from types import NoneType
from typing import Any
from uuid import UUID

import orjson
from asyncpg.pgproto import pgproto

__all__ = ["Array", "any_of", "kind_of"]

PLAIN: dict[str, frozenset[type]] = {
    "bigint": frozenset({int, NoneType}),
    "integer": frozenset({int, NoneType}),
    "smallint": frozenset({int, NoneType}),
    "boolean": frozenset({bool, NoneType}),
    "text": frozenset({str, NoneType}),
    "uuid": frozenset({UUID, pgproto.UUID, NoneType}),
    "date": frozenset(),
    "timestamptz": frozenset(),
}
"""By kind, whose values JSON and PostgreSQL write alike. Times may be infinite, so each is looked at."""
ALIASES = {"timestamp with time zone": "timestamptz", "json": "text", "jsonb": "text"}
TEXT = re.compile(r"(?:varchar|char)(?:\(\d+\))?")
ESCAPE = re.compile(r"\\[ntrbfu]")
UNICODE = re.compile(r"\\u([0-9a-f]{4})")
CONTROLS = {r"\n": "\n", r"\t": "\t", r"\r": "\r", r"\b": "\b", r"\f": "\f"}


def kind_of(sql_type: str) -> str | None:
    """What values of a column's type are here; None for those that the driver writes: bytes, and what may be NaN."""
    name = sql_type.lower()
    kind = ALIASES.get(name, "text" if TEXT.fullmatch(name) else name)
    return kind if kind in PLAIN else None


def any_of(place: int, sql_type: str) -> str:
    """`any(…)` of the parameter at `place`. Selected, it is read once; as it stands, for each row that is looked at."""
    return f"any((select ${place}::text::{sql_type}[])::{sql_type}[])"


class Array(list[Any]):
    """Values of one kind, for a parameter that the statement has as `$1::text::uuid[]`.

    Raises `TypeError` or `ValueError` for a value that is none of the kind.
    """

    def __init__(self, kind: str, values: Iterable[object]) -> None:
        super().__init__(values)
        if not PLAIN[kind].issuperset(map(type, self)):
            read = READ[kind]
            self[:] = [None if each is None else read(each) for each in self]

    def literal(self) -> str:
        """As PostgreSQL reads it. Raises `TypeError` for a text that is no UTF-8 and a number beyond 64 bits."""
        text = orjson.dumps(self, str).decode()
        if "\\" in text and ESCAPE.search(text):
            text = r"\\".join(map(_unescaped, text.split(r"\\")))  # what is left are single escapes
        return f"{{{text[1:-1]}}}"


def _unescaped(part: str) -> str:
    """Only quotes and backslashes are escaped in an array literal, the others stand there as they are."""
    for escape, character in CONTROLS.items():
        part = part.replace(escape, character)
    return UNICODE.sub(lambda found: chr(int(found[1], 16)), part)


def _none_of(kind: str, value: object) -> TypeError:
    return TypeError(f"{type(value).__name__} is no {kind}")


def _number(value: Any) -> int:
    if isinstance(value, str | bytes) or int(value) != value:
        raise _none_of("integer", value)
    return int(value)


def _truth(value: object) -> bool:
    if isinstance(value, bool):
        return value
    raise _none_of("boolean", value)


def _text(value: object) -> str:
    """An enumeration's member is the text that it is made of."""
    if isinstance(value, str):
        return str.__str__(value)
    raise _none_of("text", value)


def _uuid(value: object) -> UUID:
    if isinstance(value, UUID):
        return value
    if isinstance(value, str | bytes):
        made: UUID = pgproto.UUID(value)
        return made
    raise _none_of("uuid", value)


def _date(value: object) -> date | str:
    if type(value) is not date:
        if not isinstance(value, date):
            raise _none_of("date", value)
        value = date(value.year, value.month, value.day)
    if value == date.max:
        return "infinity"
    return "-infinity" if value == date.min else value


def _time(value: object) -> datetime | str:
    """A time without an offset is of the machine's time zone, as it is for the driver."""
    if type(value) is datetime and value.tzinfo is UTC and FIRST < value < LAST:
        return value
    if not isinstance(value, datetime):
        raise _none_of("time", value)
    if value.replace(tzinfo=None) == datetime.max:
        return "infinity"
    if value.replace(tzinfo=None) == datetime.min:
        return "-infinity"
    return value.astimezone(UTC).isoformat()


FIRST, LAST = datetime.min.replace(tzinfo=UTC), datetime.max.replace(tzinfo=UTC)
READ: dict[str, Callable[[Any], object]] = {
    "bigint": _number,
    "integer": _number,
    "smallint": _number,
    "boolean": _truth,
    "text": _text,
    "uuid": _uuid,
    "date": _date,
    "timestamptz": _time,
}
