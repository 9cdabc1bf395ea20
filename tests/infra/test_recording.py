"""The record is the same each time, and what is shown of it is true."""

import runpy
from types import SimpleNamespace
from typing import Any

import pulumi_policy
import pytest

from infra.picture import PAGE, picture, with_picture
from infra.preview import HIDDEN, manifest_of, tree
from infra.recording import ROOT, Program, record, stack_config
from infra.rules import RULES
from infra.systems import SYSTEMS
from tests.infra.golden import FOLDER, urns
from tests.infra.mutations import GONE, Mutation, mutated


def test_urns_are_the_golden_ones(program: Program) -> None:
    assert urns(program) == (FOLDER / f"{program.stack}.txt").read_text()


def test_the_same_program_gives_the_same_record(local: Program) -> None:
    again = record("local")

    assert [(each.urn, each.inputs) for each in again.resources] == [
        (each.urn, each.inputs) for each in local.resources
    ]


def test_whoever_is_depended_on_comes_first(program: Program) -> None:
    seen: set[str] = set()
    for each in program.resources:
        assert set(each.depends_on) <= seen, each.urn
        seen.add(each.urn)


def test_the_tree_shows_every_resource_once(program: Program) -> None:
    lines = list(tree(program))

    assert len(lines) == len(program.resources) + 1
    assert all(any(f" {each.name}" in line for line in lines) for each in program.resources)


def test_a_manifest_can_be_shown_without_its_secrets(local: Program) -> None:
    secret = next(local.of_kind("Secret"))

    shown = manifest_of(secret, secrets=False)

    assert set(shown["stringData"].values()) == {HIDDEN}
    assert set(secret.inputs["stringData"].values()) != {HIDDEN}


def test_a_change_of_configuration_rolls_the_pods() -> None:
    quiet, loud = stack_config("local"), stack_config("local")
    loud["clinic:workloads"] = {"logLevel": "DEBUG"}

    def template(program: Program) -> object:
        found = next(each for each in program.of_kind("Deployment") if each.name == "medical-diagnosis")
        return found.inputs["spec"]["template"]

    assert template(record("local", quiet)) != template(record("local", loud))


def test_the_engines_pack_asks_the_same_rules(local: Program, monkeypatch: pytest.MonkeyPatch) -> None:
    packs: list[dict[str, Any]] = []
    monkeypatch.setattr(pulumi_policy, "PolicyPack", lambda **pack: packs.append(pack))
    spoilt = mutated(
        local,
        Mutation("Deployment/medical-diagnosis", "spec/template/spec/securityContext/runAsNonRoot", GONE),
    )
    victim = next(each for each in spoilt.of_kind("Deployment") if each.name == "medical-diagnosis")
    asked = SimpleNamespace(
        resource_type=victim.type, name=victim.name, props=victim.inputs, urn=victim.urn, opts=None
    )

    runpy.run_path(str(ROOT / "policy/__main__.py"), run_name="__main__")

    policies = {each.name: each for each in packs[0]["policies"]}
    assert list(policies) == [rule.name for rule in RULES]
    reported: list[str] = []
    for policy in policies.values():
        policy.validate(asked, lambda problem, urn: reported.append(problem))
    assert reported == ["the pod may run as root"]


def test_the_docs_picture_is_the_programs(programs: dict[str, Program]) -> None:
    page = PAGE.read_text()

    assert with_picture(page, picture(programs["dev"])) == page
    assert all(system.namespace in page for system in SYSTEMS)
