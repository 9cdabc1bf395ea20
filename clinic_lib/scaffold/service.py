"""A new service: three files of code, its tests, and its line wherever services are listed."""

from collections.abc import Iterable

from clinic_lib.local.project import Project
from clinic_lib.scaffold import pyproject
from clinic_lib.scaffold.change import Change
from clinic_lib.scaffold.contracts import Contracts, read_contracts, with_events
from clinic_lib.scaffold.errors import ScaffoldError
from clinic_lib.scaffold.names import ServiceNames, check_name
from clinic_lib.scaffold.platform import PIPELINE, TABLE, with_image, with_row
from clinic_lib.scaffold.text import filled

__all__ = ["new_service"]

PARTS = ("domain.py", "app.py")
LONGEST_LINE = 110


def new_service(project: Project, names: ServiceNames, saga: str | None = None) -> tuple[Change, int]:
    """What a service more changes in a project, and its port. Nothing is written yet.

    Raises `ScaffoldError` when that can't be.
    """
    if names.system not in project.systems:
        raise ScaffoldError(
            f"There is no system {names.system}: pyproject.toml has {', '.join(project.systems)}."
        )
    check_name(
        names.name, "service", [each.name for system in project.systems.values() for each in system.services]
    )
    contracts = read_contracts(project.folder, names.system, saga)
    port = pyproject.free_port(project, names.system)
    change = Change(project.folder)
    _write_code(change, contracts, names)
    _list_it(change, contracts, names, port)
    return change, port


def _write_code(change: Change, contracts: Contracts, names: ServiceNames) -> None:
    values = _values(contracts, names)
    events = filled("service/events.py.txt", values)
    new = (f"{names.class_name}Opened", f"{names.class_name}Withdrawn")
    change.edit(contracts.path, with_events(change.folder / contracts.path, events, new))
    package = names.package.replace(".", "/")
    change.make(f"{package}/__init__.py", "")
    for part in PARTS:
        change.make(f"{package}/{part}", filled(f"service/{part}.txt", values))
    tests = "tests/services" if (change.folder / "tests/services").is_dir() else "tests"
    change.make(f"{tests}/test_{names.name}.py", filled("service/test.py.txt", values))


def _list_it(change: Change, contracts: Contracts, names: ServiceNames, port: int) -> None:
    declared = change.folder / "pyproject.toml"
    text = pyproject.with_service(declared, declared.read_text(), names, port)
    change.edit("pyproject.toml", pyproject.with_contract(text, names))
    if (table := change.folder / TABLE).exists():
        change.edit(TABLE, with_row(table, names, contracts.topic))
    if (pipeline := change.folder / PIPELINE).exists():
        change.edit(PIPELINE, with_image(pipeline, names))


def _values(contracts: Contracts, names: ServiceNames) -> dict[str, str]:
    failures = [each.__name__ for each in contracts.failures]
    new = [f"{names.class_name}Opened", f"{names.class_name}Withdrawn"]
    imports = sorted({contracts.starts.__name__, *failures, *new})
    if names.class_name in imports:
        raise ScaffoldError(f"{contracts.path} has {names.class_name} already: choose another name.")
    return {
        "name": names.name,
        "Name": names.class_name,
        "words": names.words,
        "system": names.system,
        "package": names.package,
        "collection": names.collection,
        "contracts": contracts.module,
        "saga": contracts.saga.name,
        "starts": contracts.starts.__name__,
        "base": contracts.base,
        "key": contracts.key,
        "failure": _union("Failure", failures),
        "imports": _one_a_line(imports),
        "tested": _tested(contracts, names, imports),
        "constructed": _one_a_line(f"{each}.model_construct(**KEY)" for each in failures),
    }


def _one_a_line(items: Iterable[str]) -> str:
    return "\n".join(f"    {each}," for each in items)


def _tested(contracts: Contracts, names: ServiceNames, imports: list[str]) -> str:
    """The tests' imports, as the modules sort."""
    events = f"from {contracts.module} import (\n{_one_a_line(imports)}\n)"
    package = f"from {names.package} import domain"
    wiring = f"from {names.package}.app import service"
    row = f"from {names.package}.domain import {names.class_name}"
    blocks = {contracts.module: [events], names.package: [package, wiring, row]}
    return "\n".join(line for _, lines in sorted(blocks.items()) for line in lines)


def _union(name: str, classes: list[str]) -> str:
    line = f"{name} = {' | '.join(classes)}"
    if len(line) <= LONGEST_LINE:
        return line
    return "\n".join([f"{name} = (", f"    {classes[0]}", *(f"    | {each}" for each in classes[1:]), ")"])
