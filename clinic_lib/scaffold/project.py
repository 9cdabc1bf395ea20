"""A new project: a system of one service, which owns a saga that others can take part in."""

from pathlib import Path

from clinic_lib.scaffold.change import Change
from clinic_lib.scaffold.errors import ScaffoldError
from clinic_lib.scaffold.names import check_name
from clinic_lib.scaffold.text import filled, templates

__all__ = ["new_project"]

PACKAGES = ("services", "services/system", "services/system/order")


def new_project(where: Path, name: str) -> Change:
    """What a project `name` in a folder of that name has. Nothing is written yet.

    Raises `ScaffoldError` when the folder is there, or the name can't be one.
    """
    check_name(name, "project")
    folder = where / name
    if folder.exists():
        raise ScaffoldError(f"{folder} is there already: choose another name, or go into it.")
    change = Change(folder)
    for path in templates("project"):
        change.make(_named(path, name), filled(f"project/{path}.txt", {"name": name}))
    for package in PACKAGES:
        change.make(f"{_named(package, name)}/__init__.py", "")
    return change


def _named(path: str, name: str) -> str:
    return path.replace("services/system", f"services/{name}", 1)
