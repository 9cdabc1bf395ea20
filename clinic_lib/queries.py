"""HTTP queries: a collection, newest first and paged, and one resource by id.

A view over several tables costs one statement a table for a whole page.
"""

import inspect
import re
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from typing import Any, get_type_hints
from urllib.parse import urlencode

import orjson
from pydantic import BaseModel, create_model
from sqlalchemy.orm import DeclarativeBase
from starlette.requests import Request
from starlette.responses import Response

from clinic_lib.delivery import Answer
from clinic_lib.errors import InvalidError, NotFoundError, TransientError, UnavailableError, WiringError
from clinic_lib.handlers import Handler, Load, row_parameter
from clinic_lib.problems import problem, problem_of
from clinic_lib.rows import Rows, RowTable, row_table
from clinic_lib.storage import Database, Transaction, View

__all__ = [
    "DEFAULT_LIMIT",
    "FILTER_TEXT",
    "LARGEST_ID",
    "LARGEST_LIMIT",
    "Query",
    "ResourceId",
    "number_parameter",
    "resource_row",
]

Read = Callable[[Transaction], Awaitable[tuple[list[Any], Rows]]]

DEFAULT_LIMIT, LARGEST_LIMIT = 50, 500
LARGEST_ID = 2**63 - 1
FILTER_TEXT = r"^[^\x00-\x1f\x7f-\x9f]*$"
"""What a text may be looked for by: all that `messages.Text` lets into a row."""


class ResourceId:
    """The last part of a resource's path: the small number its service handed out."""

    FORM = re.compile(r"[1-9][0-9]{0,18}")

    @classmethod
    def parse(cls, text: str) -> int | None:
        """None for what can be no id: then there is nothing at that path."""
        value = int(text) if cls.FORM.fullmatch(text) else LARGEST_ID + 1
        return value if value <= LARGEST_ID else None


class Query:
    """A resource: its row, further rows its view needs, its filters, and how they become JSON.

    Raises `WiringError` for a row with several primary key columns, an unknown filter, or a view that asks for
    rows that don't carry the resource's id.
    """

    def __init__(
        self, path: str, row: type, view: Callable[..., BaseModel], filters: Sequence[str] = ()
    ) -> None:
        self.path = path
        self.table = row_table(row)
        self.filters = tuple(filters)
        self._view = view
        if len(self.table.key) != 1:
            raise WiringError(f"query {path}: {row.__name__} has not exactly one primary key column", row)
        for each in filters:
            if each not in self.table.names:
                raise WiringError(f"query {path}: {row.__name__} has no column {each} to filter by", row)
        self.key = self.table.key[0]
        self.model, self.loads = _view_of(view, self.key, row)

    @classmethod
    def of_row(cls, path: str, row: type, view: type[View] | None, filters: Sequence[str]) -> "Query":
        """A query whose view has just the row's columns, or the fields of `view`; `id` is the primary key."""
        table = row_table(row)
        model = view or _derived(row, table)
        fields = tuple(model.model_fields)
        for name in fields:
            if name != "id" and name not in table.names:
                raise WiringError(
                    f"query {path}: {row.__name__} has no column {name} for {model.__name__}", model
                )

        def show(resource: Any) -> BaseModel:
            values = {name: getattr(resource, table.key[0] if name == "id" else name) for name in fields}
            return model.model_validate(values)

        show.__annotations__ = {"resource": row, "return": model}
        return cls(path, row, show, filters)

    def render(self, resource: Any, rows: Rows) -> bytes:
        """One resource as JSON."""
        others = [self._related(load, resource, rows) for load in self.loads]
        view = self._view(resource, *others)
        return view.__pydantic_serializer__.to_json(view)

    def _related(self, load: Load, resource: Any, rows: Rows) -> Any:
        value = getattr(resource, load.columns[0])
        if load.many:
            found = rows.find_all(load.row, load.columns[0], value)
            return sorted(found, key=lambda row: row_table(load.row).key_of(row.__dict__))
        return rows.find(load.row, (value,))

    def answer(self, command: Any, results: tuple[Any, ...], rows: Rows) -> Answer:
        """A command's answer: 201 and the address of a new resource, or 200 and the one it was about."""
        new = next((each for each in results if type(each) is self.table.row), None)
        if new is not None and not hasattr(command, self.key):
            return Answer(201, self.render(new, rows), f"{self.path}/{getattr(new, self.key)}")
        resource = rows.find(self.table.row, (getattr(command, self.key, None),))
        if resource is None:
            raise NotFoundError(f"there is no such {self.table.table.name}")
        return Answer(200, self.render(resource, rows))

    def loads_of_answer(self, handler: Handler) -> tuple[Load, ...]:
        """The rows that a command's answer shows beyond those its function asks for.

        Raises `WiringError` for one that the command can't name.
        """
        fields = handler.messages[0].model_fields
        shown = [load for load in self.loads if load.columns[0] in fields]
        if self.key in fields:
            shown.append(Load(self.table.row, (self.key,)))
        for load in self.loads:
            if load not in shown and not (load.many and self.table.row in handler.rows):
                raise WiringError(
                    f"{handler.name}: its answer shows {load.row.__name__}, which is found by {load.columns[0]}; "
                    f"{handler.messages[0].__name__} lacks it",
                    handler.function,
                )
        return tuple(load for load in shown if load not in handler.loads)

    async def one(self, request: Request, database: Database) -> Response:
        value = ResourceId.parse(request.path_params["id"])
        if value is None:
            return problem(404, f"there is nothing at {request.url.path}")

        async def read(session: Transaction) -> tuple[list[Any], Rows]:
            found = await self.table.load(session, {(self.key,): {(value,)}}, lock=False)
            return found, await self._load_related(session, found)

        try:
            found, rows = await self._read(database, read)
        except TransientError:
            return problem_of(UnavailableError("the database can't be reached"))
        if not found:
            return problem(404, f"there is no {self.table.table.name} {value}")
        return Response(self.render(found[0], rows), media_type="application/json")

    async def many(self, request: Request, database: Database) -> Response:
        try:
            limit, before, wanted = self._parameters(request)

            async def read(session: Transaction) -> tuple[list[Any], Rows]:
                found = await self._page(session, limit + 1, before, wanted)
                return found, await self._load_related(session, found[:limit])

            found, rows = await self._read(database, read)
        except TransientError:
            return problem_of(UnavailableError("the database can't be reached"))
        except InvalidError as exc:
            return problem_of(exc)
        page = found[:limit]
        following = None
        if len(found) > limit:
            parameters = {**wanted, "limit": limit, "before": getattr(page[-1], self.key)}
            following = f"{self.path}?{urlencode(parameters)}"
        items = b",".join(self.render(resource, rows) for resource in page)
        body = b'{"items":[' + items + b'],"next":' + orjson.dumps(following) + b"}"
        return Response(body, media_type="application/json")

    async def _read(self, database: Database, read: Read) -> tuple[list[Any], Rows]:
        """A connection may break under a read, which can always be repeated."""
        with suppress(TransientError):
            async with database.snapshot() if self.loads else database.session() as session:
                return await read(session)
        async with database.snapshot() if self.loads else database.session() as session:
            return await read(session)

    def _parameters(self, request: Request) -> tuple[int, int, dict[str, Any]]:
        limit = number_parameter(request, "limit", DEFAULT_LIMIT, LARGEST_LIMIT)
        before = number_parameter(request, "before", LARGEST_ID, LARGEST_ID)
        wanted: dict[str, Any] = {}
        for name in self.filters:
            if name in request.query_params:
                if self.table.types[name] == "BIGINT":
                    wanted[name] = number_parameter(request, name, 0, LARGEST_ID)
                else:
                    wanted[name] = _text(request, name)
        return limit, before, wanted

    async def _page(self, session: Transaction, count: int, before: int, wanted: dict[str, Any]) -> list[Any]:
        table = self.table
        conditions = [f"{table.columns[self.key]} {'<=' if before == LARGEST_ID else '<'} $1"]
        conditions += [f"{table.columns[name]} = ${place}" for place, name in enumerate(wanted, 3)]
        statement = (
            f"select {table.selected} from {table.sql_name} where {' and '.join(conditions)} "
            f"order by {table.key_list} desc limit $2"
        )
        return [
            table.make(tuple(row)) for row in await session.fetch(statement, before, count, *wanted.values())
        ]

    async def _load_related(self, session: Transaction, resources: list[Any]) -> Rows:
        rows = Rows()
        for load in self.loads:
            values = {(getattr(resource, load.columns[0]),) for resource in resources}
            if values:
                table, wanted = row_table(load.row), {load.columns: values}
                rows.add_loaded(table, await table.load(session, wanted, lock=False), wanted)
        return rows


def _view_of(view: Callable[..., BaseModel], key: str, row: type) -> tuple[type[BaseModel], tuple[Load, ...]]:
    hints = get_type_hints(view) if inspect.isfunction(view) else dict(view.__annotations__)
    model = hints.pop("return", None)
    if not (isinstance(model, type) and issubclass(model, BaseModel)):
        raise WiringError(f"query: {view.__name__} must return a pydantic model (View)", view)
    loads = []
    for name, annotation in list(hints.items())[1:]:
        found = row_parameter(annotation)
        if found is None:
            raise WiringError(f"query: {view.__name__}: parameter {name} is no row and no list of rows", view)
        related, many, _ = found
        columns = (key,) if many else row_table(related).key
        source = related if many else row
        if len(columns) != 1 or columns[0] not in row_table(source).names:
            raise WiringError(
                f"query: {view.__name__}: {name} can't be found: {source.__name__} has no column {columns[0]}",
                view,
            )
        loads.append(Load(related, columns, many))
    return model, tuple(loads)


def _derived(row: type, table: RowTable) -> type[BaseModel]:
    hints = get_type_hints(row)
    fields: dict[str, Any] = {}
    for name in table.names:
        (annotation,) = hints[name].__args__
        fields["id" if name == table.key[0] else name] = (annotation, ...)
    return create_model(row.__name__, __base__=View, **fields)


def number_parameter(request: Request, name: str, default: int, largest: int) -> int:
    text = request.query_params.get(name)
    if text is None:
        return default
    value = ResourceId.parse(text)
    if value is None or value > largest:
        detail = f"a whole number from 1 to {largest}"
        raise InvalidError(f"{name}: {detail}", [{"field": name, "detail": detail}])
    return value


def _text(request: Request, name: str) -> str:
    text = request.query_params[name]
    if not re.fullmatch(FILTER_TEXT, text):
        raise InvalidError(
            f"{name}: no control characters", [{"field": name, "detail": "no control characters"}]
        )
    return text


def resource_row(annotation: Any) -> bool:
    """Whether a query was declared over a mapped class and not by a view function."""
    return isinstance(annotation, type) and issubclass(annotation, DeclarativeBase)
