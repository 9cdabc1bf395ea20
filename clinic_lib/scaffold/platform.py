"""A service on the platform: its row in the table of services, its image in the pipeline.

The table is read as Python's syntax tree, and read again once it is changed.
"""

import ast
import re
from pathlib import Path
from typing import NamedTuple

from clinic_lib.scaffold.errors import UnexpectedFileError
from clinic_lib.scaffold.names import ServiceNames

__all__ = ["PIPELINE", "TABLE", "with_image", "with_row"]

TABLE = "infra/systems.py"
PIPELINE = "azure-pipelines.yml"
LONGEST_LINE = 110

ROW = """
        Service(
            "{names.name}",
            "{names.app}",
            {objective},
            routes=("{names.collection}",),
            reads=("{topic}",),
            writes=("{topic}",),
        ),
"""


class Row(NamedTuple):
    """A service's row in the tree, and its name."""

    name: str
    call: ast.Call


def with_row(path: Path, names: ServiceNames, topic: str) -> str:
    """The table's text with the service before its system's gateway, which may call it.

    Raises `UnexpectedFileError` when the table is not the one that this knows.
    """
    text = path.read_text()
    rows = _rows(text, names.system)
    row = ROW.format(names=names, topic=topic, objective=_objective(text, rows)).lstrip("\n")
    if any(each.name == names.name for each in rows):
        return text
    changed = _changed(text, rows, row, names.name)
    if [each.name for each in _rows(changed, names.system)] != _expected(rows, names.name):
        known = f"a system {names.system} whose services stand one below the other, the gateway last"
        raise UnexpectedFileError(path, known, f"{row}\nand in the gateway's calls: {names.name}")
    return changed


def _changed(text: str, rows: list[Row], row: str, name: str) -> str:
    """With the row, and the name among what the gateway calls; as it was, where either has no place."""
    calls = _calls(rows)
    lines = text.splitlines()
    if calls is None or not lines[calls.lineno - 1].startswith("            calls=("):
        return text
    lines[calls.lineno - 1 : calls.end_lineno] = _written([*ast.literal_eval(calls), name])
    gateway = rows[-1].call.lineno - 1
    if lines[gateway] == "        Service(":
        lines[gateway:gateway] = row.rstrip().splitlines()
    return "\n".join(lines) + "\n"


def _expected(rows: list[Row], name: str) -> list[str]:
    known = [each.name for each in rows]
    return [*known[:-1], name, *known[-1:]]


def _rows(text: str, system: str) -> list[Row]:
    """The system's services in the table; none when it has another form."""
    for each in ast.walk(ast.parse(text)):
        match each:
            case ast.Call(func=ast.Name(id="System"), keywords=keywords):
                given = {keyword.arg: keyword.value for keyword in keywords}
                name, services = given.get("name"), given.get("services")
                if (
                    isinstance(name, ast.Constant)
                    and name.value == system
                    and isinstance(services, ast.Tuple)
                ):
                    return [row for element in services.elts for row in _row(element)]
    return []


def _row(element: ast.expr) -> list[Row]:
    match element:
        case ast.Call(func=ast.Name(id="Service"), args=[ast.Constant(value=str(name)), _, _]):
            return [Row(name, element)]
    return []


def _objective(text: str, rows: list[Row]) -> str:
    """What the others promise."""
    return (rows and ast.get_source_segment(text, rows[0].call.args[2])) or "PROMISE"


def _calls(rows: list[Row]) -> ast.Tuple | None:
    """Whom the gateway calls, on lines of its own."""
    if rows and rows[-1].name == "gateway":
        for keyword in rows[-1].call.keywords:
            if keyword.arg == "calls" and isinstance(keyword.value, ast.Tuple):
                return keyword.value
    return None


def _written(names: list[str]) -> list[str]:
    quoted = [f'"{name}"' for name in names]
    line = f"            calls=({', '.join(quoted)}{',' if len(quoted) == 1 else ''}),"
    if len(line) <= LONGEST_LINE:
        return [line]
    return ["            calls=(", *(f"                {name}," for name in quoted), "            ),"]


def with_image(path: Path, names: ServiceNames) -> str:
    """The pipeline's text with the service's image behind the last one of its system.

    Raises `UnexpectedFileError` when the pipeline has no line for each image.
    """
    text = path.read_text()
    row = f"{names.name}: {{ image: {names.name.replace('_', '-')}, app: '{names.app}' }}"
    if row in text:
        return text
    others = list(
        re.finditer(rf"^( +)\w+: {{ image: .*'services\.{names.system}\..*' }}\n", text, re.MULTILINE)
    )
    if not others:
        raise UnexpectedFileError(path, f"a line for each image of {names.system}", row)
    last = others[-1]
    return f"{text[: last.end()]}{last[1]}{row}\n{text[last.end() :]}"
