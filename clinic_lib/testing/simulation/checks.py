"""Checks: the conditions of a table as PostgreSQL judges them, for those that can be judged without it.

Invariant: what is read here answers as PostgreSQL does; for anything else `NotJudgedError` is raised. So an order
of texts (a collation's), a division, a cast, or a function of whose answer we aren't sure is not read.
"""

import operator
import re
from collections.abc import Callable, Mapping, Sequence
from decimal import Decimal, localcontext
from functools import partial
from typing import Any

from sqlalchemy import Column

from clinic_lib.rows import Image
from clinic_lib.testing.simulation.terms import (
    COMPARE,
    Judge,
    NotJudgedError,
    Term,
    all_of,
    any_of,
    applied,
    column_term,
    compared,
    constant,
    counted,
    is_what,
    like,
    negation,
    of_kind,
)

__all__ = ["judge"]

SIGNS = r"-+*/<>=~!@#%^&|`?"
"""What PostgreSQL's operators are made of: a longer run of them is an operator of its own, or a comment."""

TOKEN = re.compile(
    rf"""\s*(?:(?P<number>\d+(?:\.\d+)?(?![\w.]))|(?P<text>'(?:[^'\\]|'')*')|"(?P<quoted>[^"]+)"
    |(?P<word>[A-Za-z_]\w*)|(?P<sign>[(),]|(?!--)(?:<=|>=|<>|!=|[-=<>+*])(?=-?(?:[^{SIGNS}]|$)))|(?P<rest>\S+))""",
    re.VERBOSE,
)
DIGITS = 2_000
"""More than a sum or a product of columns can have."""

FUNCTIONS: dict[str, tuple[str, Callable[[Any], Any]]] = {
    "length": ("text", len),
    "char_length": ("text", len),
    "abs": ("number", abs),
}


def judge(condition: str, columns: Sequence[Column[Any]]) -> Judge:
    """What tells whether a row keeps to a condition. Raises `NotJudgedError`."""
    terms = {column.name: column_term(n, column) for n, column in enumerate(columns)}
    found = _Reader(condition, terms).read()

    def exactly(image: Image) -> Any:
        with localcontext(prec=DIGITS):
            return found(image)

    return exactly


class _Reader:
    """Reads a condition from its left to its right; one method for each of PostgreSQL's precedences."""

    def __init__(self, condition: str, columns: Mapping[str, Term]) -> None:
        self._columns = columns
        self._tokens = [
            (str(each.lastgroup), each[str(each.lastgroup)]) for each in TOKEN.finditer(condition)
        ]
        self._at = 0

    def read(self) -> Judge:
        term = self._either()
        if self._at < len(self._tokens):
            raise NotJudgedError(f"it says {self._tokens[self._at][1]}")
        return of_kind("boolean", term)

    def _either(self) -> Term:
        term = self._both()
        while self._next("or"):
            term = Term(
                "boolean", partial(any_of, (of_kind("boolean", term), of_kind("boolean", self._both())))
            )
        return term

    def _both(self) -> Term:
        term = self._negated()
        while self._next("and"):
            term = Term(
                "boolean", partial(all_of, (of_kind("boolean", term), of_kind("boolean", self._negated())))
            )
        return term

    def _negated(self) -> Term:
        if self._next("not"):
            return negation(self._negated())
        return self._is()

    def _is(self) -> Term:
        term = self._compared()
        while self._next("is"):
            negated = self._next("not")
            wanted = {"null": None, "true": True, "false": False}.get(word := self._word().lower(), word)
            if wanted == word:
                raise NotJudgedError(f"it says is {word}")
            value = term.value if wanted is None else of_kind("boolean", term)
            found = Term("boolean", partial(is_what, value, wanted))
            term = negation(found) if negated else found
        return term

    def _compared(self) -> Term:
        term = self._ranged()
        if sign := self._next(*COMPARE):
            return compared(sign, term, self._ranged())
        return term

    def _ranged(self) -> Term:
        term, start = self._sum(), self._at
        negated = self._next("not")
        if self._next("between"):
            low = compared(">=", term, self._sum())
            self._expect("and")
            high = compared("<=", term, self._sum())
            found = Term("boolean", partial(all_of, (low.value, high.value)))
        elif self._next("in"):
            self._expect("(")
            found = Term(
                "boolean",
                partial(any_of, [compared("=", term, each).value for each in self._list()]),
            )
        elif self._next("like"):
            found = like(term, self._sum())
        else:
            self._at = start
            return term
        return negation(found) if negated else found

    def _sum(self) -> Term:
        term = self._product()
        while sign := self._next("+", "-"):
            term = counted(sign, term, self._product())
        return term

    def _product(self) -> Term:
        term = self._single()
        while sign := self._next("*"):
            term = counted(sign, term, self._single())
        return term

    def _single(self) -> Term:
        if self._next("-"):
            return Term("number", partial(applied, operator.neg, of_kind("number", self._single())))
        if self._next("("):
            term = self._either()
            self._expect(")")
            return term
        kind, token = self._take()
        if kind == "number":
            return constant("number", Decimal(token) if "." in token else int(token))
        if kind == "text":
            text = token[1:-1].replace("''", "'")
            return Term("text", lambda image: text, text)
        if kind == "word" and self._next("("):
            return self._call(token.lower())
        if kind == "word" and token.lower() in ("true", "false"):
            return constant("boolean", token.lower() == "true")
        name = token.lower() if kind == "word" else token
        if kind not in ("word", "quoted") or name not in self._columns:
            raise NotJudgedError(f"it says {token}")
        return self._columns[name]

    def _call(self, name: str) -> Term:
        if name not in FUNCTIONS:
            raise NotJudgedError(f"it calls {name}")
        takes, function = FUNCTIONS[name]
        value = of_kind(takes, self._either())
        self._expect(")")
        return Term("number", partial(applied, function, value))

    def _list(self) -> list[Term]:
        terms = [self._either()]
        while self._next(","):
            terms.append(self._either())
        self._expect(")")
        return terms

    def _next(self, *wanted: str) -> str:
        """The token when it is one of these, else nothing."""
        kind, token = self._tokens[self._at] if self._at < len(self._tokens) else ("", "")
        if kind not in ("word", "sign") or token.lower() not in wanted:
            return ""
        self._at += 1
        return token.lower()

    def _expect(self, token: str) -> None:
        if not self._next(token):
            raise NotJudgedError(f"it says {self._word()} where {token} should be")

    def _take(self) -> tuple[str, str]:
        if self._at == len(self._tokens):
            raise NotJudgedError("it ends too early")
        self._at += 1
        return self._tokens[self._at - 1]

    def _word(self) -> str:
        return self._take()[1]
