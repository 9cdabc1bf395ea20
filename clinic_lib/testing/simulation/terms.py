"""Terms: the parts of a condition, and what PostgreSQL makes of two of them.

Values of one kind are compared alone. A text in quotes takes the kind of what it stands beside.
"""

import operator
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from decimal import ROUND_HALF_UP, Decimal
from enum import Enum as PythonEnum
from functools import partial
from typing import Any

from sqlalchemy import REAL, Boolean, Column, Date, DateTime, Enum, Float, Integer, Numeric, String
from sqlalchemy.types import CHAR

from clinic_lib.rows import Image

__all__ = [
    "COMPARE",
    "Judge",
    "NotJudgedError",
    "Term",
    "all_of",
    "any_of",
    "applied",
    "column_term",
    "compared",
    "constant",
    "counted",
    "is_what",
    "like",
    "negation",
    "of_kind",
]

Judge = Callable[[Image], Any]
"""True, False or a value, or None where PostgreSQL says null."""

ZONED = "datetime with time zone"
ORDERED = ("number", "date", "datetime", ZONED)
TOLD_APART = (*ORDERED, "text", "enum", "boolean")
COMPARE: dict[str, Callable[[Any, Any], bool]] = {
    "=": operator.eq,
    "<>": operator.ne,
    "!=": operator.ne,
    "<": operator.lt,
    "<=": operator.le,
    ">": operator.gt,
    ">=": operator.ge,
}
COUNT: dict[str, Callable[[Any, Any], Any]] = {"+": operator.add, "-": operator.sub, "*": operator.mul}


class NotJudgedError(ValueError):
    """A condition that only PostgreSQL can judge; the message says what in it."""


@dataclass(frozen=True)
class Term:
    """A part of a condition: what it is, and its value in a row. A `literal` is a text in quotes."""

    kind: str
    value: Judge
    literal: str | None = None


def column_term(place: int, column: Column[Any]) -> Term:
    """A column. Of a type that isn't known here nothing but null can be told."""
    kind, made = _kind(column)

    def value(image: Image) -> Any:
        found = image[place]
        found = found.value if isinstance(found, PythonEnum) else found
        return made(found) if found is not None and made else found

    return Term(kind, value)


def _kind(column: Column[Any]) -> tuple[str, Callable[[Any], Any] | None]:
    """What a column holds, and what PostgreSQL makes of a value before it looks at a check."""
    match column.type:
        case Float(precision=precision) as type_:
            is_single = isinstance(type_, REAL) or (precision or 53) < 25
            return ("real", None) if is_single else ("number", float)
        case Numeric(precision=precision, scale=scale):
            return "number", partial(_numeric, scale if precision is None else scale or 0)
        case DateTime(timezone=zone):
            return ZONED if zone else "datetime", None
        case Enum(native_enum=True):
            return "enum", None
        case String(collation=None) as type_ if not isinstance(type_, CHAR):
            return "text", None
    for known, kind in {Integer: "number", Boolean: "boolean", Date: "date"}.items():
        if isinstance(column.type, known):
            return kind, None
    return type(column.type).__name__, None


def _numeric(scale: int | None, value: Any) -> Decimal:
    exact = Decimal(value)
    return exact if scale is None else exact.quantize(Decimal(1).scaleb(-scale), ROUND_HALF_UP)


def constant(kind: str, value: object) -> Term:
    return Term(kind, lambda image: value)


def of_kind(kind: str, term: Term) -> Judge:
    if term.kind != kind:
        raise NotJudgedError(f"it takes {term.kind} for {kind}")
    return term.value


def compared(sign: str, left: Term, right: Term) -> Term:
    left, right = _beside(left, right), _beside(right, left)
    if left.kind != right.kind:
        raise NotJudgedError(f"it compares {left.kind} with {right.kind}")
    if left.kind not in (ORDERED if sign not in ("=", "<>", "!=") else TOLD_APART):
        raise NotJudgedError(f"it compares {left.kind} by {sign}")
    return Term("boolean", partial(_combined, COMPARE[sign], left.value, right.value))


def _beside(term: Term, other: Term) -> Term:
    """A literal as what it stands beside, as PostgreSQL reads it."""
    if term.literal is None:
        return term
    if other.kind in ("text", "enum"):
        return Term(other.kind, term.value)
    try:
        if other.kind == "date":
            return constant("date", date.fromisoformat(term.literal))
        read = datetime.fromisoformat(term.literal)
    except ValueError:
        raise NotJudgedError(f"it compares {other.kind} with '{term.literal}'") from None
    return constant(ZONED if read.tzinfo else "datetime", read)


def counted(sign: str, left: Term, right: Term) -> Term:
    return Term("number", partial(_combined, COUNT[sign], of_kind("number", left), of_kind("number", right)))


def like(term: Term, pattern: Term) -> Term:
    if pattern.literal is None:
        raise NotJudgedError("it says like without a pattern in quotes")
    parts = {"%": ".*", "_": "."}
    wanted = re.compile("".join(parts.get(each, re.escape(each)) for each in pattern.literal), re.DOTALL)
    return Term("boolean", partial(applied, lambda text: bool(wanted.fullmatch(text)), of_kind("text", term)))


def negation(term: Term) -> Term:
    return Term("boolean", partial(applied, operator.not_, of_kind("boolean", term)))


def is_what(value: Judge, wanted: object, image: Image) -> bool:
    return value(image) is wanted


def applied(function: Callable[[Any], Any], value: Judge, image: Image) -> Any:
    found = value(image)
    return None if found is None else function(found)


def _combined(function: Callable[[Any, Any], Any], left: Judge, right: Judge, image: Image) -> Any:
    """Null with null is null; a float makes a float of what stands beside it."""
    one, other = left(image), right(image)
    if one is None or other is None:
        return None
    if isinstance(one, float) or isinstance(other, float):
        one, other = float(one), float(other)
    return function(one, other)


def any_of(values: Sequence[Judge], image: Image) -> bool | None:
    found = [value(image) for value in values]
    return True if True in found else None if None in found else False


def all_of(values: Sequence[Judge], image: Image) -> bool | None:
    found = [value(image) for value in values]
    return False if False in found else None if None in found else True
