"""Handlers: a function's signature is its wiring.

From the annotations come what it handles, which rows are loaded for it and by which columns, and what it may
return. Whatever does not fit is a `WiringError` at import, with the place of the function.
"""

import inspect
import types
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import datetime
from functools import cached_property, lru_cache
from itertools import groupby
from typing import Any, Literal, NamedTuple, Union, get_args, get_origin, get_type_hints

from sqlalchemy.ext.asyncio import AsyncConnection
from sqlalchemy.orm import DeclarativeBase

from clinic_lib.errors import WiringError
from clinic_lib.messages import Command, Envelope, Event
from clinic_lib.rows import row_table
from clinic_lib.storage import NewIds

__all__ = ["Course", "Handler", "Kind", "Load", "Parameter", "course_of", "inspect_handler", "row_parameter"]

Kind = Literal["step", "compensation", "command", "projection", "deadline"]
Role = Literal["message", "done", "row", "rows", "ids", "time", "envelope", "tx"]
Function = Callable[..., Any]


@dataclass(frozen=True, slots=True)
class Load:
    """Rows a function needs: those whose `columns` equal the fields of the same names."""

    row: type
    columns: tuple[str, ...]
    many: bool = False


@dataclass(frozen=True, slots=True)
class Parameter:
    """What one parameter asks for. `optional`: the row may be absent."""

    name: str
    role: Role
    row: type | None = None
    optional: bool = False
    load: Load | None = None


@dataclass(frozen=True, eq=False)
class Handler:
    """A function and what its signature says; there is one of each.

    `messages` are the classes it handles, `events` and `rows` what it may return; `compensates` is the step
    that a compensation undoes, `done` the events of that step which it is handed.
    """

    kind: Kind
    function: Function
    messages: tuple[type[Any], ...]
    parameters: tuple[Parameter, ...]
    events: tuple[type[Event], ...]
    rows: tuple[type, ...]
    done: tuple[type[Event], ...] = ()
    compensates: "Handler | None" = None
    extra_loads: tuple[Load, ...] = field(default=())

    @cached_property
    def name(self) -> str:
        return self.function.__name__

    @cached_property
    def uses_transaction(self) -> bool:
        return any(parameter.role == "tx" for parameter in self.parameters)

    @cached_property
    def loads(self) -> tuple[Load, ...]:
        return (*(p.load for p in self.parameters if p.load), *self.extra_loads)

    @cached_property
    def new_ids(self) -> tuple[type, ...]:
        return tuple(p.row for p in self.parameters if p.role == "ids" and p.row)


class Course(NamedTuple):
    """What the functions that a message is handled by ask for together.

    `parts` are those next to each other that are called alike: compensations together, the others one by one.
    """

    uses_transaction: bool
    is_deadline: bool
    new_ids: tuple[type, ...]
    parts: tuple[tuple[bool, tuple[Handler, ...]], ...]


@lru_cache(maxsize=4096)
def course_of(handlers: tuple[Handler, ...]) -> Course:
    """Worked out once for all messages that have these functions."""
    parts = groupby(handlers, key=lambda each: each.kind == "compensation")
    return Course(
        any(each.uses_transaction for each in handlers),
        any(each.kind == "deadline" for each in handlers),
        tuple(row for each in handlers for row in each.new_ids),
        tuple((compensate, tuple(own)) for compensate, own in parts),
    )


def inspect_handler(kind: Kind, function: Function, compensates: Handler | None = None) -> Handler:
    """Read a function's signature.

    Raises `WiringError` for a parameter without a known meaning, a row whose key the message lacks, or a
    function that returns what its kind does not.
    """
    hints = _hints(function)
    returned = hints.pop("return", None)
    names = list(hints)
    if not names:
        raise WiringError(
            f"{function.__name__} takes no message: its first parameter says what it handles", function
        )
    messages = _classes(hints[names[0]])
    _check_messages(kind, function, messages)
    done: tuple[type[Event], ...] = ()
    parameters = [Parameter(names[0], "message")]
    for name in names[1:]:
        classes = _classes(hints[name])
        if kind == "compensation" and all(_is(each, Event) for each in classes):
            done = classes
            parameters.append(Parameter(name, "done"))
        else:
            parameters.append(
                _parameter(function, name, hints[name], (messages, done or _events_of(compensates)))
            )
    events, rows = _returned(function, returned)
    handler = Handler(kind, function, messages, tuple(parameters), events, rows, done, compensates)
    _check(handler)
    return handler


def row_parameter(annotation: Any) -> tuple[type, bool, bool] | None:
    """(row class, whether many, whether optional) of an annotation that is a row; None when it is not."""
    if get_origin(annotation) is list and _is(get_args(annotation)[0], DeclarativeBase):
        return get_args(annotation)[0], True, False
    classes = [each for each in _classes(annotation) if each is not type(None)]
    if len(classes) == 1 and _is(classes[0], DeclarativeBase):
        return classes[0], False, len(_classes(annotation)) == 2
    return None


def _parameter(
    function: Function,
    name: str,
    annotation: Any,
    messages: tuple[tuple[type[Any], ...], tuple[type[Any], ...]],
) -> Parameter:
    simple: dict[Any, Role] = {datetime: "time", Envelope: "envelope", AsyncConnection: "tx"}
    if annotation in simple:
        return Parameter(name, simple[annotation])
    if get_origin(annotation) is NewIds:
        (row,) = get_args(annotation)
        if not _is(row, DeclarativeBase):
            raise WiringError(f"{function.__name__}: {name}: NewIds takes a row, {row} is none", function)
        return Parameter(name, "ids", row=row)
    found = row_parameter(annotation)
    if found is None:
        raise WiringError(
            f"{function.__name__}: parameter {name} is none of: a row, list of rows, NewIds[Row], datetime, "
            "Envelope, AsyncConnection",
            function,
        )
    row, many, optional = found
    columns = _key_field(function, messages[0], row) if many else row_table(row).key
    for message in messages[0]:
        known = set(message.model_fields).union(*(each.model_fields for each in messages[1]))
        for column in columns:
            if column not in known:
                raise WiringError(
                    f"{function.__name__}: {name}: {row.__name__} is loaded by {column}, "
                    f"which {message.__name__} lacks",
                    function,
                )
    return Parameter(name, "rows" if many else "row", row, optional, Load(row, columns, many))


def _key_field(function: Function, messages: tuple[type[Any], ...], row: type) -> tuple[str]:
    """A list of rows is loaded by the event's key; by the one id that a command shares with the row."""
    keys = {message.declaration.key for message in messages if _is(message, Event)}
    for message in messages:
        if _is(message, Command):
            keys |= {
                each for each in message.model_fields if each.endswith("_id") and each in row_table(row).names
            }
    if len(keys) != 1 or not keys <= set(row_table(row).names):
        raise WiringError(
            f"{function.__name__}: list[{row.__name__}] is loaded by one id that message and row share; "
            f"found {sorted(keys) or 'none'}",
            function,
        )
    return (keys.pop(),)


def _check_messages(kind: Kind, function: Function, messages: tuple[type[Any], ...]) -> None:
    base = Command if kind == "command" else Event
    for message in messages:
        if not _is(message, base):
            raise WiringError(
                f"{function.__name__}: the first parameter of a {kind} is a class of {base.__name__}",
                function,
            )


def _check(handler: Handler) -> None:
    function, kind = handler.function, handler.kind
    if handler.uses_transaction is not inspect.iscoroutinefunction(function):
        raise WiringError(
            f"{handler.name}: a function that takes an AsyncConnection is async, every other one is not",
            function,
        )
    if kind == "projection" and handler.events:
        raise WiringError(f"{handler.name}: a projection returns rows, no events; use a step", function)
    if kind == "compensation":
        step = handler.compensates
        assert step is not None
        for event in handler.done:
            if event not in step.events:
                raise WiringError(f"{handler.name}: {step.name} does not return {event.__name__}", function)


def _events_of(step: Handler | None) -> tuple[type[Event], ...]:
    return step.events if step else ()


def _returned(function: Function, annotation: Any) -> tuple[tuple[type[Event], ...], tuple[type, ...]]:
    events: dict[type[Event], None] = {}
    rows: dict[type, None] = {}
    for each in _flat(annotation):
        if _is(each, Event):
            events[each] = None
        elif _is(each, DeclarativeBase):
            rows[each] = None
        elif each is not type(None) and each is not None and each is not Ellipsis:
            raise WiringError(
                f"{function.__name__} returns {getattr(each, '__name__', each)}; "
                "a handler returns events, rows, a tuple of them, or None",
                function,
            )
    return tuple(events), tuple(rows)


def _flat(annotation: Any) -> Iterator[Any]:
    if get_origin(annotation) in (Union, types.UnionType, tuple, list):
        for each in get_args(annotation):
            yield from _flat(each)
    else:
        yield annotation


def _classes(annotation: Any) -> tuple[Any, ...]:
    if get_origin(annotation) in (Union, types.UnionType):
        return tuple(get_args(annotation))
    return (annotation,)


def _is(annotation: Any, base: type) -> bool:
    return isinstance(annotation, type) and issubclass(annotation, base)


def _hints(function: Function) -> dict[str, Any]:
    try:
        hints = get_type_hints(function)
    except NameError as exc:
        raise WiringError(f"{function.__name__}: unknown name in an annotation: {exc}", function) from exc
    parameters = inspect.signature(function).parameters
    for name, parameter in parameters.items():
        if name not in hints:
            raise WiringError(f"{function.__name__}: parameter {name} has no annotation", function)
        if parameter.kind not in (parameter.POSITIONAL_ONLY, parameter.POSITIONAL_OR_KEYWORD):
            raise WiringError(f"{function.__name__}: {name} is called by its place: no *, no **", function)
    order = (*parameters, "return")
    return {name: hints[name] for name in order if name in hints}
