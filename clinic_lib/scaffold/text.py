"""The templates, filled in: `$name` and `${name}` stand for values."""

from collections.abc import Iterator, Mapping
from importlib.resources import files
from importlib.resources.abc import Traversable
from string import Template

__all__ = ["filled", "templates"]

ROOT = files("clinic_lib.scaffold") / "template"


def filled(path: str, values: Mapping[str, str]) -> str:
    """The template at `path`. Raises `KeyError` for a value that it lacks."""
    return Template((ROOT / path).read_text("utf-8")).substitute(values)


def templates(folder: str) -> Iterator[str]:
    """The paths of all templates below a folder, without `.txt`, relative to it."""
    yield from (path.removesuffix(".txt") for path in _below(ROOT / folder, ""))


def _below(folder: Traversable, prefix: str) -> Iterator[str]:
    for each in sorted(folder.iterdir(), key=lambda found: found.name):
        if each.is_dir():
            yield from _below(each, f"{prefix}{each.name}/")
        else:
            yield prefix + each.name
