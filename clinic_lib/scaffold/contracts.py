"""What a system's contracts say: its saga and its failures; and where a new service's events go among them."""

import ast
import importlib
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType

from clinic_lib.messages import Event
from clinic_lib.plural import counted
from clinic_lib.saga import Saga
from clinic_lib.scaffold.errors import ScaffoldError, UnexpectedFileError

__all__ = ["Contracts", "read_contracts", "with_events"]


@dataclass(frozen=True)
class Contracts:
    """The saga that a new service takes part in: its first event, and those that call for compensation."""

    path: str
    module: str
    saga: Saga
    failures: tuple[type[Event], ...]

    @property
    def starts(self) -> type[Event]:
        return self.saga.starts

    @property
    def topic(self) -> str:
        return self.starts.declaration.topic

    @property
    def key(self) -> str:
        return self.starts.declaration.key

    @property
    def base(self) -> str:
        """The class that the system's events share."""
        return self.starts.__bases__[0].__name__


def read_contracts(folder: Path, system: str, saga: str | None) -> Contracts:
    """The contracts of `system`, and the saga of that name in them; without a name its only one.

    Raises `ScaffoldError` when there are none, or nothing there that a service could take part in.
    """
    path = f"services/{system}/contracts.py"
    if not (folder / path).exists():
        raise ScaffoldError(f"There is no {path}: a new service takes part in the saga that stands there.")
    module = _imported(folder, f"services.{system}.contracts")
    sagas = {each.name: each for each in vars(module).values() if isinstance(each, Saga)}
    if saga is None and len(sagas) != 1:
        raise ScaffoldError(f"{path} has {counted(len(sagas), 'saga')}: {_advice(sagas)}.")
    if saga is not None and saga not in sagas:
        raise ScaffoldError(f"{path} has no saga {saga}: {_advice(sagas)}.")
    chosen = sagas[saga] if saga else next(iter(sagas.values()))
    failures = tuple(_failures(module, chosen))
    if not failures:
        raise ScaffoldError(
            f"{path} has no event with failure=True in the saga {chosen.name}: nothing to compensate."
        )
    if chosen.starts.__bases__[0] is Event:
        raise ScaffoldError(
            f"The events of {path} share no class: give them one that names topic and key, with the field."
        )
    return Contracts(path, module.__name__, chosen, failures)


def _advice(sagas: dict[str, Saga]) -> str:
    return f"name one by --saga, of {', '.join(sagas)}" if sagas else "declare one there first"


def _imported(folder: Path, name: str) -> ModuleType:
    sys.path.insert(0, str(folder))
    try:
        return importlib.import_module(name)
    except Exception as exc:
        raise ScaffoldError(f"{name} can't be imported: {type(exc).__name__}: {exc}.") from exc
    finally:
        sys.path.remove(str(folder))


def _failures(module: ModuleType, saga: Saga) -> Iterator[type[Event]]:
    """All failures of the saga's log, so that the service undoes its part whatever goes wrong."""
    log = saga.starts.declaration.topic, saga.starts.declaration.key
    for name, each in sorted(vars(module).items()):
        if isinstance(each, type) and issubclass(each, Event) and each.__module__ == module.__name__:
            declaration = getattr(each, "declaration", None)
            if declaration and declaration.failure and (declaration.topic, declaration.key) == log:
                assert name == each.__name__
                yield each


def with_events(path: Path, classes: str, names: tuple[str, ...]) -> str:
    """The contracts' text with these classes before what is no class any more, and their names in `__all__`.

    Raises `ScaffoldError` when a name is taken, `UnexpectedFileError` when there is no class to go behind.
    """
    text = path.read_text()
    body = ast.parse(text).body
    declared = [each for each in body if isinstance(each, ast.ClassDef)]
    if taken := {each.name for each in declared} & set(names):
        raise ScaffoldError(
            f"{path.name} has a class {', '.join(sorted(taken))} already: choose another name."
        )
    if not declared or declared[-1].end_lineno is None:
        raise UnexpectedFileError(path, "classes of events", classes)
    lines = text.splitlines()
    lines[declared[-1].end_lineno : declared[-1].end_lineno] = ["", "", *classes.rstrip().splitlines()]
    for name in names:
        _list(lines, body, name)
    return "\n".join(lines) + "\n"


def _list(lines: list[str], body: list[ast.stmt], name: str) -> None:
    """Puts the name into `__all__`, before the first that sorts behind it, when that has a line for each."""
    for each in body:
        match each:
            case ast.Assign(targets=[ast.Name(id="__all__")], value=ast.List(elts=names)) if names:
                begin = names[0].lineno - 1
                listed = [line.strip().strip('",') for line in lines[begin : begin + len(names)]]
                place = next((at for at, other in enumerate(listed) if other > name), len(listed))
                if len({other.lineno for other in names}) == len(names):
                    lines.insert(begin + place, f'    "{name}",')
