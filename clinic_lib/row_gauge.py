"""A row gauge: how many rows a table has for each value of a column whose values are a closed set.

The set is what bounds the metric's labels: it is known when the service is wired, not when rows are found.
"""

import inspect
import traceback
import types
from dataclasses import dataclass
from enum import Enum
from typing import Any, Literal, Union, get_args, get_origin

from sqlalchemy import Enum as EnumType
from sqlalchemy.orm import InstrumentedAttribute, Mapped

from clinic_lib.errors import WiringError
from clinic_lib.rows import RowTable, row_table

__all__ = ["RowGauge"]


@dataclass(frozen=True)
class RowGauge:
    """The rows of a table by the `values` of a column; what is none of them, such as what an older version wrote,
    is counted as `other`, and NULL as `none`.
    """

    table: RowTable
    column: str
    values: tuple[str, ...]

    @classmethod
    def of(cls, attribute: object) -> "RowGauge":
        """From `Order.status`. Raises `WiringError` for what is no mapped column with a closed set of values."""
        if not isinstance(attribute, InstrumentedAttribute) or not isinstance(attribute.class_, type):
            caller = traceback.extract_stack(limit=3)[0]
            raise WiringError(f"a gauge takes a column, as Order.status: {attribute!r} is none", caller)
        table, name = row_table(attribute.class_), attribute.key
        if name not in table.columns:
            raise WiringError(f"a gauge takes a column: {table.row.__name__}.{name} is none", table.row)
        values = _values_of(attribute)
        if not values:
            raise WiringError(
                f"a gauge counts {table.row.__name__} by {name}, whose values are no closed set: "
                "annotate it with a Literal or an Enum",
                table.row,
            )
        nullable = attribute.property.columns[0].nullable
        return cls(table, name, (*values, "none") if nullable else values)

    @property
    def view(self) -> str:
        """The metric's label `view`: the table's name."""
        return str(self.table.table.name)

    @property
    def statement(self) -> str:
        """Selects each value, as text, with its number of rows."""
        column = self.table.columns[self.column]
        return f"select {column}::text, count(*) from {self.table.sql_name} group by {column}"

    def count(self, found: dict[str | None, int]) -> dict[str, int]:
        """The rows of every value, also of those that no row has."""
        counts = dict.fromkeys((*self.values, "other"), 0)
        for value, rows in found.items():
            name = "none" if value is None else value
            counts[name if name in counts else "other"] += rows
        return counts


def _values_of(attribute: InstrumentedAttribute[Any]) -> tuple[str, ...]:
    """As they stand in the database; none when the set is open."""
    column_type = attribute.type
    if isinstance(column_type, EnumType):
        return tuple(column_type.enums)
    for owner in attribute.class_.__mro__:
        annotation = inspect.get_annotations(owner, eval_str=True).get(attribute.key)
        if get_origin(annotation) is Mapped:
            return _closed(get_args(annotation)[0])
    return ()


def _closed(annotation: Any) -> tuple[str, ...]:
    if get_origin(annotation) is Literal:
        return tuple(str(each) for each in get_args(annotation))
    if isinstance(annotation, type) and issubclass(annotation, Enum):
        return tuple(str(each.value) for each in annotation)
    if get_origin(annotation) in (Union, types.UnionType):
        parts = [_closed(each) for each in get_args(annotation) if each is not types.NoneType]
        return tuple(value for part in parts for value in part) if all(parts) else ()
    return ()
