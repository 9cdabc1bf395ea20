"""Outcomes: each set of events that a function may answer with, read from its return type.

`tuple[Order, OrderPlaced]` has one, `SeatsReserved | SeatsRefused | None` has three, the last of them empty.
"""

import types
from typing import Any, Union, get_args, get_origin, get_type_hints

from clinic_lib.handlers import Function
from clinic_lib.messages import Event

__all__ = ["Outcome", "outcomes"]

Outcome = tuple[type[Event], ...]


def outcomes(function: Function) -> tuple[Outcome, ...]:
    """In the order in which the return type names them, none twice."""
    return tuple(dict.fromkeys(_of(get_type_hints(function).get("return"))))


def _of(annotation: Any) -> list[Outcome]:
    origin, arguments = get_origin(annotation), get_args(annotation)
    if origin in (Union, types.UnionType):
        return [outcome for each in arguments for outcome in _of(each)]
    if origin is list or (origin is tuple and Ellipsis in arguments):
        return [*_of(arguments[0]), ()]
    if origin is tuple:
        return _together(arguments)
    return [(annotation,)] if isinstance(annotation, type) and issubclass(annotation, Event) else [()]


def _together(parts: tuple[Any, ...]) -> list[Outcome]:
    made: list[Outcome] = [()]
    for part in parts:
        made = [(*before, *outcome) for before in made for outcome in _of(part)]
    return [tuple(dict.fromkeys(outcome)) for outcome in made]
