"""Rows: mapped dataclasses that are loaded and saved by one statement a table.

A row is filled without its `__init__` and without an ORM session, which costs a tenth. Its `image` is the
tuple of its columns as PostgreSQL takes them: what tells a changed row from an unchanged one, and what an
undone function's rows are set back to.
"""

from collections import defaultdict
from collections.abc import Callable, Collection, Iterable, Sequence
from operator import itemgetter
from typing import Any

import orjson
from sqlalchemy import ARRAY, Column, Table, inspect
from sqlalchemy.dialects.postgresql import JSON, JSONB
from sqlalchemy.engine import make_url
from sqlalchemy.orm import Mapper

from clinic_lib.arrays import Array, any_of, kind_of
from clinic_lib.errors import WiringError
from clinic_lib.storage import Transaction

__all__ = ["Image", "RowTable", "Rows", "row_table"]

Image = tuple[Any, ...]
Wanted = dict[tuple[str, ...], set[tuple[Any, ...]]]
"""Which rows to load: for each group of columns the values to look for."""

DRAW = "select nextval(pg_get_serial_sequence($1, $2)) from generate_series(1, $3)"
DIALECT = make_url("postgresql+asyncpg://").get_dialect()()
QUOTE = DIALECT.identifier_preparer.quote


class RowTable:
    """The table behind a mapped class: its names and its statements.

    Raises `WiringError` for a class that isn't mapped, or a column the statements can't carry.
    """

    def __init__(self, row: type) -> None:
        mapper: Mapper[Any] | None = inspect(row, raiseerr=False)
        if not isinstance(mapper, Mapper):
            raise WiringError(f"{row.__name__} is no mapped class: derive it from your declarative base", row)
        self.row = row
        table = mapper.local_table
        assert isinstance(table, Table)
        self.table = table
        columns: list[Column[Any]] = list(self.table.columns)
        self.names = tuple(mapper.get_property_by_column(column).key for column in columns)
        self.key = tuple(mapper.get_property_by_column(column).key for column in mapper.primary_key)
        self.id_column = mapper.primary_key[0].name
        self.types = {name: _type(row, column) for name, column in zip(self.names, columns, strict=True)}
        self.kinds = {name: kind_of(each) for name, each in self.types.items()}
        self.columns = {name: QUOTE(column.name) for name, column in zip(self.names, columns, strict=True)}
        self.column_list = ", ".join(self.columns.values())
        self.key_list = ", ".join(self.columns[name] for name in self.key)
        self.is_json = tuple(isinstance(column.type, JSON | JSONB) for column in columns)
        self.sql_name = DIALECT.identifier_preparer.format_table(table)
        self._json_places = tuple(place for place, json in enumerate(self.is_json) if json)
        self.statements: dict[object, str] = {}
        self._new_instance = mapper.class_manager.new_instance
        self._values = _getter(self.names)
        self._left_out: dict[str, Any] = {}
        self.key_of = _getter(self.key)

    def make(self, image: Image) -> Any:
        """A row from its image."""
        self.restore(instance := self._new_instance(), image)
        return instance

    def restore(self, instance: Any, image: Image) -> None:
        """Set a row back to an image."""
        values: Sequence[Any] = image
        if self._json_places:
            values = list(image)
            for place in self._json_places:
                if values[place] is not None:
                    values[place] = orjson.loads(values[place])
        instance.__dict__.update(zip(self.names, values, strict=False))

    def complete(self, instance: Any) -> None:
        """SQLAlchemy leaves a dataclass default out of a new instance's dictionary; `image` has noticed which."""
        for name, default in self._left_out.items():
            instance.__dict__.setdefault(name, default)

    def image(self, instance: Any) -> Image:
        """A row's columns as the statements take them: JSON as text, with its keys in order."""
        given = instance.__dict__
        try:
            values: Image = self._values(given)
        except KeyError:
            missing = {name: getattr(instance, name) for name in self.names if name not in given}
            self._left_out |= missing
            values = self._values(given | missing)
        if not self._json_places:
            return values
        texts = list(values)
        for place in self._json_places:
            if (value := texts[place]) is not None:
                texts[place] = orjson.dumps(value, None, orjson.OPT_SORT_KEYS).decode()
        return tuple(texts)

    async def draw(self, transaction: Transaction, count: int) -> list[int]:
        """So many new ids, from the sequence of its primary key. One statement."""
        rows = await transaction.fetch(DRAW, self.sql_name, self.id_column, count)
        return [row[0] for row in rows]

    async def load(self, transaction: Transaction, wanted: Wanted, *, lock: bool = True) -> list[Any]:
        """The rows that `wanted` names, in the order of their keys, locked. One statement."""
        groups = tuple(sorted(wanted))
        statement = self.loading(*groups, lock=lock)
        arguments = [
            self._array(name, values)
            for group in groups
            for name, values in zip(group, zip(*wanted[group], strict=True), strict=True)
        ]
        return [self.make(tuple(row)) for row in await transaction.fetch(statement, *arguments)]

    def loading(self, *groups: tuple[str, ...], lock: bool = True) -> str:
        """The statement that loads rows by these groups of columns."""
        if (groups, lock) not in self.statements:
            self.statements[groups, lock] = self._select(groups, lock)
        return self.statements[groups, lock]

    def _select(self, groups: Sequence[tuple[str, ...]], lock: bool) -> str:
        place = 0
        conditions = []
        for group in groups:
            first, place = place + 1, place + len(group)
            if len(group) == 1:
                conditions.append(f"{self.columns[group[0]]} = {self._any(place, group[0])}")
            else:
                names = ", ".join(self.columns[name] for name in group)
                arrays = ", ".join(self._parameter(n, name) for n, name in enumerate(group, first))
                conditions.append(f"({names}) in (select * from unnest({arrays}))")
        if len(conditions) > 1:  # as alternatives of one condition they would be tried on every row
            each = " union ".join(
                f"select {self.key_list} from {self.sql_name} where {c}" for c in conditions
            )
            conditions = [f"({self.key_list}) in ({each})"]
        return (
            f"select {self.selected} from {self.sql_name} where {conditions[0]} "
            f"order by {self.key_list}{' for update' if lock else ''}"
        )

    def _array(self, name: str, values: Iterable[object]) -> list[object]:
        kind = self.kinds[name]
        try:
            return list(values) if kind is None else Array(kind, values)
        except (TypeError, ValueError) as exc:
            raise TypeError(f"{self.table.name}.{name}: {exc}") from exc

    def _parameter(self, place: int, name: str) -> str:
        """An array of the column's type, as `_array` gives it."""
        return f"${place}::{'text::' if self.kinds[name] else ''}{self.types[name]}[]"

    def _any(self, place: int, name: str) -> str:
        return any_of(place, self.types[name]) if self.kinds[name] else f"any({self._parameter(place, name)})"

    @property
    def selected(self) -> str:
        """The columns as an image has them: JSON as text."""
        return ", ".join(
            f"{self.columns[name]}::text" if json else self.columns[name]
            for name, json in zip(self.names, self.is_json, strict=True)
        )

    async def save(self, transaction: Transaction, changed: list[Image], new: list[Image]) -> None:
        """Update `changed` and insert `new` rows. One statement; a new row that exists is an error."""
        known = Array("boolean", [True] * len(changed) + [False] * len(new))
        columns = zip(self.names, zip(*changed, *new, strict=True), strict=True)
        await transaction.execute(
            self.saving(), known, *(self._array(name, values) for name, values in columns)
        )

    def saving(self) -> str:
        """The statement that saves. The planner knows no array's length: it must be led to the key's index."""
        if "save" in self.statements:
            return self.statements["save"]
        parameters = ", ".join(self._parameter(n, name) for n, name in enumerate(self.names, 2))
        rest = [name for name in self.names if name not in self.key]
        update = ""
        if rest:
            changes = ", ".join(f"{self.columns[name]} = d.{self.columns[name]}" for name in rest)
            match = " and ".join(f"t.{self.columns[name]} = d.{self.columns[name]}" for name in self.key)
            update = f", changed as (update {self.sql_name} t set {changes} from data d where d.known__ and {match})"
        self.statements["save"] = (
            f"with data as (select * from unnest($1::text::boolean[], {parameters}) as d (known__, {self.column_list}))"
            f"{update} insert into {self.sql_name} ({self.column_list}) "
            f"select {self.column_list} from data d where not d.known__"
        )
        return self.statements["save"]


TABLES: dict[type, RowTable] = {}


def row_table(row: type) -> RowTable:
    """The one `RowTable` of a mapped class."""
    return TABLES.get(row) or TABLES.setdefault(row, RowTable(row))


def _getter(names: tuple[str, ...]) -> Callable[[Any], Image]:
    if len(names) > 1:
        return itemgetter(*names)
    return lambda values: (values[names[0]],)


def _type(row: type, column: Column[Any]) -> str:
    if isinstance(column.type, ARRAY):
        raise WiringError(f"{row.__name__}.{column.name} is an array: use JSONB (list[…])", row)
    return column.type.compile(DIALECT)


class Rows:
    """The rows of one batch: each loaded once, found by key or by a column, written once when they changed.

    Only a row that was handed out can have changed: its image is taken then.
    """

    def __init__(self) -> None:
        self._by_key: dict[type, dict[Image, Any]] = defaultdict(dict)
        self._by_column: dict[tuple[type, str], dict[Any, list[Any]]] = {}
        self._new: set[int] = set()
        self._handed_out: dict[int, Image] = {}
        self._asked: set[tuple[type, Image]] = set()

    def add_loaded(self, table: RowTable, instances: Iterable[Any], wanted: Wanted) -> None:
        """Take in what was found of `wanted`."""
        self._asked.update((table.row, key) for key in wanted.get(table.key, ()))
        for instance in instances:
            if self.find(table.row, table.key_of(instance.__dict__)) is None:
                self._put(table, instance)

    def hand_out(self, table: RowTable, instance: Any) -> Image:
        """The image of a row that a function is about to be given."""
        image = table.image(instance)
        self._handed_out.setdefault(id(instance), image)
        return image

    def was_asked(self, row: type, key: Image) -> bool:
        """Whether the database was asked for this row: then one that isn't here does not exist."""
        return (row, key) in self._asked

    def find(self, row: type, key: Image) -> Any | None:
        return self._by_key[row].get(key)

    def find_all(self, row: type, column: str, value: object) -> list[Any]:
        """All rows with that value, in the order in which they came in."""
        if (row, column) not in self._by_column:
            self._by_column[row, column] = index = defaultdict(list)
            for instance in self._by_key[row].values():
                index[getattr(instance, column)].append(instance)
        return list(self._by_column[row, column][value])

    def add(self, instance: Any) -> None:
        """Take in a new row."""
        table = row_table(type(instance))
        table.complete(instance)
        self._new.add(id(instance))
        self._put(table, instance)

    def remove(self, instance: Any) -> None:
        table = row_table(type(instance))
        self._new.discard(id(instance))
        self._handed_out.pop(id(instance), None)
        del self._by_key[table.row][table.key_of(instance.__dict__)]
        for (row, column), index in self._by_column.items():
            if row is table.row:
                index[getattr(instance, column)].remove(instance)

    def _put(self, table: RowTable, instance: Any) -> None:
        self._by_key[table.row][table.key_of(instance.__dict__)] = instance
        for (row, column), index in self._by_column.items():
            if row is table.row:
                index[getattr(instance, column)].append(instance)

    def classes(self) -> list[type]:
        """The mapped classes of which a row is here."""
        return [row for row, instances in self._by_key.items() if instances]

    def changes(self, tables: Collection[RowTable]) -> list[tuple[RowTable, list[Image], list[Image]]]:
        """For each table with any: the images of changed and of new rows, in the order of their keys."""
        result = []
        for table in tables:
            changed, new = [], []
            for key, instance in sorted(self._by_key[table.row].items()):
                is_new, before = id(instance) in self._new, self._handed_out.get(id(instance))
                if not is_new and before is None:
                    continue
                if table.key_of(instance.__dict__) != key:
                    raise ValueError(f"the primary key of {table.table.name} {key} was changed")
                image = table.image(instance)
                if is_new:
                    new.append(image)
                elif image != before:
                    changed.append(image)
            if changed or new:
                result.append((table, changed, new))
        return result
