"""The services that pyproject.toml names: imported, and nothing more. No setting is read, nothing runs."""

import importlib
import sys
import traceback
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from clinic_lib.errors import WiringError
from clinic_lib.local.project import Project, ServiceDeclaration
from clinic_lib.service import Service
from clinic_lib.wiring.describe import describe
from clinic_lib.wiring.errors import LookError
from clinic_lib.wiring.manifest import Manifest

__all__ = ["Loaded", "load", "manifest_of"]


@dataclass(frozen=True)
class Loaded:
    """A service as its app was made, with the documents that it serves."""

    service: Service
    openapi: dict[str, Any]
    asyncapi: dict[str, Any]
    port: int


def load(project: Project, system: str) -> list[Loaded]:
    """The services of a system; what is no service of the library's, such as a gateway, is none of them.

    Raises `LookError` for a module that can't be imported.
    """
    if str(project.folder) not in sys.path:
        sys.path.insert(0, str(project.folder))
    found = []
    for declared in project.system(system).services:
        state: Any = getattr(_app(declared, project.folder), "state", None)
        if isinstance(getattr(state, "service", None), Service):
            found.append(Loaded(state.service, **state.documents, port=declared.port))
    return found


def manifest_of(system: str, services: Sequence[Loaded], folder: Path) -> Manifest:
    return Manifest(
        system=system, services=tuple(describe(each.service, each.openapi, folder) for each in services)
    )


def _app(declared: ServiceDeclaration, folder: Path) -> Any:
    module, _, attribute = declared.app.partition(":")
    try:
        return getattr(importlib.import_module(module), attribute)
    except WiringError as exc:
        raise LookError(f"Service {declared.name} is wired wrongly: {exc}") from exc
    except SyntaxError as exc:  # no frame leads to it
        raise LookError(
            f"Service {declared.name} can't be imported from {declared.app}: {type(exc).__name__}: {exc.msg} "
            f"({exc.filename}:{exc.lineno})"
        ) from exc
    except Exception as exc:
        where = next(
            (
                f" ({each.filename}:{each.lineno})"
                for each in reversed(traceback.extract_tb(exc.__traceback__))
                if Path(each.filename).is_relative_to(folder)
            ),
            "",
        )
        raise LookError(
            f"Service {declared.name} can't be imported from {declared.app}: {type(exc).__name__}: {exc}{where}"
        ) from exc
