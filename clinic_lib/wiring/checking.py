"""What `clinic check` does, once it knows what is asked."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import typer

from clinic_lib.local.project import Project
from clinic_lib.wiring import report
from clinic_lib.wiring.changes import Baseline, baseline_of, baseline_stale, read_baseline, since
from clinic_lib.wiring.check import check, without_waived
from clinic_lib.wiring.choreography import Choreography
from clinic_lib.wiring.errors import LookError
from clinic_lib.wiring.findings import Finding
from clinic_lib.wiring.manifest import Manifest, read_manifest
from clinic_lib.wiring.systems import load, manifest_of

__all__ = ["Question", "findings", "run"]


@dataclass(frozen=True)
class Question:
    """Which systems, with which services of other repositories, told how."""

    systems: Sequence[str]
    manifests: Sequence[Path]
    as_json: bool
    write_baseline: bool


def run(project: Project, question: Question) -> bool:
    """Tells what was found; whether anything was. Raises `ClinicError` for what can't be looked at."""
    others = [read_manifest(each) for each in question.manifests]
    names = question.systems or list(project.systems)
    if strange := [each.system for each in others if each.system not in names]:
        raise LookError(f"A manifest is of the system {strange[0]}, and {', '.join(names)} is looked at.")
    found: dict[str, Sequence[Finding]] = {}
    for name in dict.fromkeys(names):
        ours = manifest_of(name, load(project, name), project.folder)
        system = Choreography([ours, *(each for each in others if each.system == name)])
        found[name] = _checked(project, system, ours, question.write_baseline)
        if not question.as_json:
            report.tell(system, found[name])
    if question.as_json:
        typer.echo(report.as_json(found))
    return any(found.values())


def findings(system: Choreography, ours: Manifest, baseline: Baseline | None, path: str) -> list[Finding]:
    """All that is found; that the baseline is stale is told when nothing is broken, since it can't be written then."""
    if baseline is None:
        return check(system)
    broken = list(since(baseline, ours, path))
    stale = () if _not_waived(system, broken) else baseline_stale(baseline, ours, path)
    return check(system, [*broken, *stale])


def _checked(project: Project, system: Choreography, ours: Manifest, write: bool) -> list[Finding]:
    path = project.folder / "schemas" / f"{ours.system}.json"
    told = str(path.relative_to(project.folder))
    baseline = read_baseline(path)
    if not write:
        return findings(system, ours, baseline, told)
    if baseline and (left := _not_waived(system, list(since(baseline, ours, told)))):
        return left
    path.parent.mkdir(exist_ok=True)
    path.write_text(baseline_of(ours).text())
    typer.echo(f"{told} is written", err=True)
    return findings(system, ours, baseline_of(ours), told)


def _not_waived(system: Choreography, broken: Sequence[Finding]) -> list[Finding]:
    waivers = [each for service in system.services.values() for each in service.waivers]
    return [each for each in without_waived(broken, waivers) if each in broken]
