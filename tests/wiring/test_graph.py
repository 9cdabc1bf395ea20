"""The pictures: what they show, that they are the same each time, and that a stale one is found."""

import json
import shutil
import subprocess
import sys
from pathlib import Path
from xml.etree import ElementTree

import pytest

from clinic_lib.saga import Saga
from clinic_lib.service import Service
from clinic_lib.wiring import flow, graph
from clinic_lib.wiring.choreography import Choreography
from clinic_lib.wiring.errors import LookError
from clinic_lib.wiring.manifest import Manifest, read_manifest
from clinic_lib.wiring.pages import stale
from tests.wiring.copies import ROOT, Copy
from tests.wiring.market import Confirmed, Filed, Placed, buy, called, manifest

SYSTEMS = ("clinic", "reservation")


@pytest.fixture(scope="module")
def copy(tmp_path_factory: pytest.TempPathFactory) -> Copy:
    return Copy(tmp_path_factory.mktemp("copy"))


def page(copy: Copy, system: str) -> str:
    return graph.page(Choreography([copy.manifest(system)]))


def section(text: str, title: str) -> str:
    return text.partition(f"## {title}\n")[2].partition("\n## ")[0]


@pytest.mark.parametrize("system", SYSTEMS)
def test_the_pictures_in_the_documents_are_those_of_the_code(copy: Copy, system: str) -> None:
    assert (ROOT / "docs" / f"choreography-{system}.md").read_text() == page(copy, system)


@pytest.mark.parametrize("event", ["SeatsReserved", "OrderConfirmed", "SeatsReleased"])
def test_they_are_stale_once_an_event_has_another_name(copy: Copy, event: str) -> None:
    picture = ROOT / "docs" / "choreography-reservation.md"
    files = [
        each for each in (copy.folder / "services/reservation").rglob("*.py") if event in each.read_text()
    ]
    before = {each: each.read_text() for each in files}

    for each in files:
        each.write_text(before[each].replace(event, f"{event}Anew"))
    text = page(copy, "reservation")
    for each, was in before.items():
        each.write_text(was)

    assert stale({picture: text}) == [picture]
    assert f"{event}Anew" in text
    assert stale({picture: page(copy, "reservation")}) == []


def test_the_flow_shows_every_function_and_event_and_who_hears_what(copy: Copy) -> None:
    whole = Choreography([copy.manifest("reservation")])
    text = flow.mermaid(whole)

    assert all(f"{each.service}__{each.name}" in text for each in whole.handlers)
    assert "    seat__reserve --> SeatsRefused\n" in text
    assert "    SeatsRefused --> order__cancel_refused\n" in text
    assert "    seat__reserve -.- seat__release\n" in text
    assert '    OrderCancelled(["OrderCancelled"]):::failure\n' in text


def test_the_run_that_ends_well_goes_from_start_to_end(copy: Copy) -> None:
    story = section(page(copy, "clinic"), "visit, when all goes well")

    told = [
        line.split(": ", 1)[1]
        for line in story.splitlines()
        if "->>reception" in line or "->>diagnosis" in line
    ]
    assert told == [
        "POST /receptions → register",
        "ReceptionRegistered → open_diagnosis",
        "DiagnosisOpened → treat",
        "POST /diagnoses/{reception_id}/prescription → prescribe",
        "ExaminationCreated → note_created",
        "ExaminationPerformed → note_performed",
        "POST /diagnoses/{reception_id}/completion → complete",
        "DiagnosisCompleted → complete",
    ]
    assert "Cancelled" not in story


def test_each_failure_shows_who_undoes_what(copy: Copy) -> None:
    clinic, reservation = page(copy, "clinic"), page(copy, "reservation")

    rejected = section(clinic, "After DiagnosisRejected")
    assert "Note over reception: undoes register" in rejected
    assert "Note over examination: undoes create" in rejected
    refused = section(reservation, "After SeatsRefused")
    assert "Note over order: undoes place" in refused
    assert "undoes reserve" not in refused  # it answered with the failure, so it has done nothing
    assert "at the deadline → expire" in section(reservation, "After OrderCancelled")


def test_a_system_without_a_saga_has_its_flow_alone() -> None:
    text = graph.page(Choreography([manifest(buy(), called("other"))]))

    assert "```mermaid\nflowchart" in text
    assert "sequenceDiagram" not in text


def test_a_saga_that_no_command_begins_has_no_story() -> None:
    def open_(event: Filed) -> Placed:
        raise NotImplementedError

    def owns(service: Service) -> None:
        service.step(open_)
        service.saga(Saga("purchase", starts=Placed, ends=(Confirmed,)))

    assert "when all goes well" not in graph.page(Choreography([manifest(called("owner", owns))]))


def test_what_graphviz_refuses_is_said(copy: Copy, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    broken = tmp_path / "dot"
    broken.write_text("#!/bin/sh\necho 'syntax error in line 1' >&2\nexit 1\n")
    broken.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path))

    with pytest.raises(LookError, match="Graphviz can't draw it: syntax error in line 1"):
        graph.svg(Choreography([copy.manifest("reservation")]))


def test_the_pictures_are_the_same_whatever_python_draws_by_lot() -> None:
    command = [sys.executable, "-m", "clinic_lib.cli", "graph", "clinic"]

    drawn = [
        subprocess.run(
            command, cwd=ROOT, env={"PYTHONHASHSEED": seed}, capture_output=True, text=True, check=True
        )
        for seed in ("1", "2")
    ]

    assert drawn[0].stdout == drawn[1].stdout == (ROOT / "docs/choreography-clinic.md").read_text()


def test_the_manifest_is_read_as_it_was_written(copy: Copy, tmp_path: Path) -> None:
    ours = copy.manifest("clinic")
    path = tmp_path / "manifest.json"
    path.write_text(graph.json(Choreography([ours])))

    assert read_manifest(path).model_dump_json() == ours.model_dump_json()
    assert json.loads(path.read_text())["format"] == "clinic-manifest/1"


@pytest.mark.parametrize(
    "content", ["", "{}", '{"format": "clinic-manifest/2", "system": "clinic", "services": []}']
)
def test_what_is_no_manifest_is_refused_in_a_sentence(tmp_path: Path, content: str) -> None:
    path = tmp_path / "manifest.json"
    path.write_text(content)

    with pytest.raises(LookError, match=r"is no manifest of the form clinic-manifest/1 .*--format json"):
        read_manifest(path)
    with pytest.raises(LookError, match="can't be read"):
        read_manifest(tmp_path / "none.json")


def test_a_manifest_that_a_newer_library_wrote_is_read(copy: Copy) -> None:
    ours = copy.manifest("reservation")
    content = json.loads(ours.model_dump_json())
    content["services"][0]["more"] = content["more"] = True

    assert Manifest.model_validate(content) == ours


def test_without_graphviz_it_says_what_to_do(copy: Copy, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "")

    with pytest.raises(LookError, match="no `dot` on the PATH: install it, or take --format mermaid"):
        graph.svg(Choreography([copy.manifest("reservation")]))


@pytest.mark.skipif(shutil.which("dot") is None, reason="Graphviz is not installed")
def test_with_graphviz_every_event_is_in_the_svg(copy: Copy) -> None:
    whole = Choreography([copy.manifest("reservation")])

    texts = {
        each.text for each in ElementTree.fromstring(graph.svg(whole)).iter() if each.tag.endswith("}text")
    }

    assert set(whole.events) <= texts
