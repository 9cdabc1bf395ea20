"""Everything that the tests can find wrong in a recorded program."""

import json
from collections.abc import Iterator

from infra.preview import manifest_of
from infra.recording import Program, Recorded
from infra.rule import Subject
from infra.rules import findings as broken_rules
from tests.infra.drift import drift
from tests.infra.facts import misnamed
from tests.infra.reach import misled, past_the_mesh
from tests.infra.references import dangling
from tests.infra.schema import validated

CUSTOM = (
    "networking.istio.io/",
    "security.istio.io/",
    "telemetry.istio.io/",
    "kafka.strimzi.io/",
    "monitoring.coreos.com/",
)


def faults(program: Program) -> Iterator[str]:
    """All of them, in one sentence each; what takes longest comes last."""
    yield from dangling(program)
    yield from secrets_in_clear(program)
    yield from rule_faults(program)
    yield from misled(program)
    yield from past_the_mesh(program)
    yield from misnamed(program)
    yield from drift(program)
    yield from schema_faults(program)


def schema_faults(program: Program) -> Iterator[str]:
    """Against Kubernetes 1.36, strictly: a field that does not exist is one."""
    for each in program.manifests():
        if not each.inputs["apiVersion"].startswith(CUSTOM):
            yield from (f"{each.name}: {fault}" for fault in validated(json.dumps(manifest_of(each))))


def rule_faults(program: Program) -> Iterator[str]:
    for each in program.resources:
        if each.custom and not each.read:
            yield from broken_rules(
                Subject(each.type, each.name, each.inputs, program.keeps, protect=each.protect)
            )


def secrets_in_clear(program: Program) -> Iterator[str]:
    """A Secret's data that is not marked, and a marked value that stands somewhere else unmarked."""
    values = {
        value for each in program.resources for path in each.secrets for value in _texts(_at(each, path))
    }
    for each in program.resources:
        if each.kind == "Secret" and not each.read and not {"stringData", "data"} & each.secrets:
            yield f"{each.name}: its data is no secret"
        if each.kind == "ConfigMap" and each.secrets:
            yield f"{each.name}: a secret stands in a ConfigMap"
        for path, text in _paths(each.inputs):
            secret = any(path == marked or path.startswith(f"{marked}.") for marked in each.secrets)
            if not secret and any(value in text for value in values):
                yield f"{each.name}: a secret stands in clear at {path}"


def _at(each: Recorded, path: str) -> object:
    value: object = each.inputs
    for key in path.split("."):
        assert isinstance(value, dict)
        value = value[key]
    return value


def _texts(value: object) -> Iterator[str]:
    return (text for _, text in _paths(value) if len(text) > 8)


def _paths(value: object, path: str = "") -> Iterator[tuple[str, str]]:
    if isinstance(value, dict):
        for key, each in value.items():
            yield from _paths(each, f"{path}.{key}".removeprefix("."))
    elif isinstance(value, list):
        for each in value:
            yield from _paths(each, path)
    elif isinstance(value, str):
        yield path, value
