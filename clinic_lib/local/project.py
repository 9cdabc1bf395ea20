"""The [tool.clinic] table of a project's pyproject.toml: its systems and their services.

```toml
[tool.clinic.systems.clinic]
demo = "services.clinic.demo:main"
services = [
    { name = "reception", app = "services.clinic.reception.app:app", port = 8081 },
    { name = "gateway", app = "services.gateway.app:app", port = 8088, database = false },
]

[tool.clinic.commands]
bench = { run = "tests.benchmarks.bench:main", help = "Measure it." }
```
"""

import importlib
import sys
import tomllib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Self

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from clinic_lib.local.errors import StackError

__all__ = [
    "RESERVED",
    "OwnCommand",
    "Project",
    "ServiceDeclaration",
    "System",
    "find_project",
    "read_project",
]

# Not the usual 9092 and 5432: 9092 is the admin port of a service on 8092, and 5432 is often taken.
KAFKA_PORT = 19092
POSTGRESQL_PORT = 15432
PROMETHEUS_PORT = 19090
JAEGER_PORT = 16686

RESERVED = frozenset({"kafka", "postgresql", "prometheus", "jaeger", "grafana"})
"""What runs beside the services, each under its name."""

Name = Annotated[str, Field(pattern=r"^[a-z][a-z0-9_]*$")]
Port = Annotated[int, Field(ge=1, le=65535)]
ModuleAttribute = Annotated[str, Field(pattern=r"^[\w.]+:\w+$")]


class _Table(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class ServiceDeclaration(_Table):
    """One service: `app` is its `module:attribute`; its database, if it has one, is named as the service."""

    name: Name
    app: ModuleAttribute
    port: Port
    database: bool = True
    env: Mapping[str, str] = {}


class System(_Table):
    """Services that belong together; `gateway` names the one that people enter by."""

    services: tuple[ServiceDeclaration, ...]
    gateway: str = "gateway"
    demo: ModuleAttribute | None = None

    @property
    def url(self) -> str:
        """Where people enter: the gateway, or the first service when there is none."""
        entries = [service for service in self.services if service.name == self.gateway]
        return f"http://localhost:{(entries or self.services)[0].port}"


class OwnCommand(_Table):
    """A command that the project adds to `clinic`: `run` is given its arguments and answers with the exit code."""

    run: ModuleAttribute
    help: str = ""


class _ClinicTable(_Table):
    systems: dict[Name, System] = Field(min_length=1)
    kafka_port: Port = KAFKA_PORT
    postgresql_port: Port = POSTGRESQL_PORT
    prometheus_port: Port = PROMETHEUS_PORT
    jaeger_port: Port = JAEGER_PORT
    observe: ModuleAttribute | None = None
    regenerate: tuple[str, ...] = ()
    commands: dict[Annotated[str, Field(pattern=r"^[a-z][a-z0-9-]*$")], OwnCommand] = {}

    @model_validator(mode="after")
    def _names_are_unique(self) -> Self:
        names = [service.name for system in self.systems.values() for service in system.services]
        if twice := {name for name in names if names.count(name) > 1}:
            raise ValueError(f"two services are named {', '.join(sorted(twice))}")
        if reserved := RESERVED.intersection(names):
            raise ValueError(f"no service can be named {', '.join(sorted(reserved))}")
        return self


@dataclass(frozen=True)
class Project:
    """A project's folder and what it declares.

    `observe` names the function that writes its rules and dashboards; `regenerate` are commands to run after a
    service is added.
    """

    folder: Path
    systems: Mapping[str, System]
    kafka_port: int = KAFKA_PORT
    postgresql_port: int = POSTGRESQL_PORT
    prometheus_port: int = PROMETHEUS_PORT
    jaeger_port: int = JAEGER_PORT
    observe: str | None = None
    regenerate: Sequence[str] = ()
    commands: Mapping[str, OwnCommand] = field(default_factory=dict)

    def system(self, name: str | None) -> System:
        """The system of that name, without one the first.

        Raises `StackError` when there is none of that name.
        """
        chosen = name or next(iter(self.systems))
        if chosen not in self.systems:
            raise StackError(
                f"There is no system {chosen}: pyproject.toml declares {', '.join(self.systems)}."
            )
        return self.systems[chosen]

    def function(self, target: str) -> Callable[..., int]:
        """What `module:function` names in the project's folder; it answers with an exit code."""
        sys.path.insert(0, str(self.folder))
        module, _, name = target.partition(":")
        found: Callable[..., int] = getattr(importlib.import_module(module), name)
        return found


def find_project() -> Project:
    """The project that the current folder is in.

    Raises `StackError` when there is none, or its table is wrong.
    """
    here = Path.cwd()
    for folder in (here, *here.parents):
        if (folder / "pyproject.toml").exists() and (project := read_project(folder)):
            return project
    raise StackError(
        f"There is no pyproject.toml with a [tool.clinic] table in {here} or above: go to the project."
    )


def read_project(folder: Path) -> Project | None:
    """What the folder's pyproject.toml declares; None without a [tool.clinic] table.

    Raises `StackError` when the table is wrong.
    """
    try:
        document = tomllib.loads((folder / "pyproject.toml").read_text())
        declared = document.get("tool", {}).get("clinic")
        table = _ClinicTable.model_validate(declared) if declared is not None else None
    except tomllib.TOMLDecodeError as exc:
        raise StackError(f"{folder / 'pyproject.toml'} is not TOML: {exc}.") from exc
    except ValidationError as exc:
        problems = "; ".join(f"{'.'.join(map(str, error['loc']))}: {error['msg']}" for error in exc.errors())
        raise StackError(f"[tool.clinic] in {folder / 'pyproject.toml'} is wrong: {problems}.") from exc
    if table is None:
        return None
    return Project(folder, **{name: getattr(table, name) for name in _ClinicTable.model_fields})
