"""What `clinic graph` draws and `clinic docs` writes."""

from collections.abc import Sequence
from pathlib import Path

from clinic_lib.local.project import Project
from clinic_lib.wiring import flow, graph, site
from clinic_lib.wiring.choreography import Choreography
from clinic_lib.wiring.manifest import read_manifest
from clinic_lib.wiring.systems import load, manifest_of

__all__ = ["documents", "draw"]


def draw(project: Project, system: str, form: str, manifests: Sequence[Path]) -> str:
    """One system in one form. Raises `ClinicError` for what can't be drawn."""
    ours = manifest_of(system, load(project, system), project.folder)
    together = Choreography([ours, *map(read_manifest, manifests)])
    forms = {"mermaid": graph.page, "svg": graph.svg, "dot": flow.dot, "json": graph.json}
    return forms[form](together)


def documents(project: Project, system: str) -> dict[str, str]:
    """A system's documents by their paths. Raises `ClinicError` for what can't be looked at."""
    services = load(project, system)
    together = Choreography([manifest_of(system, services, project.folder)])
    return site.files(together, services, project.system(system).url)
