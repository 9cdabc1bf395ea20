"""`clinic check`, `clinic graph` and `clinic docs`, as somebody types them."""

import json
import os
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import httpx2
import pytest

from clinic_lib.wiring import report
from clinic_lib.wiring.choreography import Choreography
from tests.wiring import market
from tests.wiring.copies import Copy

SEAT = "services/reservation/seat/app.py"


@pytest.fixture
def copy(tmp_path: Path) -> Copy:
    return Copy(tmp_path)


def edit(copy: Copy, file: str, old: str, new: str) -> None:
    path = copy.folder / file
    assert old in path.read_text()
    path.write_text(path.read_text().replace(old, new))


def test_nothing_found_is_0_and_a_line_for_each_system(copy: Copy) -> None:
    result = copy.run("check")

    assert result.exit_code == 0
    assert result.stdout.splitlines() == [
        "clinic: 4 services, 20 functions, 12 events, 1 waiver: no findings",
        "reservation: 3 services, 13 functions, 6 events, no waivers: no findings",
    ]


def test_what_is_one_is_told_as_one(capsys: pytest.CaptureFixture[str]) -> None:
    report.tell(Choreography([market.manifest(market.buy())]), [])

    assert capsys.readouterr().out == "market: 1 service, 1 function, 1 event, no waivers: no findings\n"


def test_a_finding_is_1_and_says_rule_place_what_is_wrong_and_what_to_write(copy: Copy) -> None:
    edit(copy, SEAT, "service.compensation(reserve)(domain.release)\n", "")

    result = copy.run("check", "reservation")

    assert result.exit_code == 1
    first, wrong, *write = result.stdout.splitlines()
    assert first.startswith("compensation-missing  services/reservation/seat/domain.py:")
    assert wrong == (
        "  order.cancel may publish the failure OrderCancelled when seat has done reserve, "
        "and seat has no compensation on OrderCancelled that undoes it."
    )
    assert write[:2] == [
        "    @service.compensation(reserve)",
        "    def undo_reserve(event: OrderCancelled, done: SeatsReserved, seat: Seat) -> None: ...",
    ]
    assert result.stdout.splitlines()[-1].endswith("findings")


def test_findings_are_told_to_programs_as_json(copy: Copy) -> None:
    edit(copy, SEAT, "service.compensation(reserve)(domain.release)\n", "")

    result = copy.run("check", "--format", "json")

    told = json.loads(result.stdout)
    assert (result.exit_code, told["format"]) == (1, "clinic-check/1")
    assert {each["system"] for each in told["findings"]} == {"reservation"}
    assert sorted(told["findings"][0]) == [
        *("about", "file", "line", "manifest", "rule", "system", "write", "wrong"),
    ]


@pytest.mark.parametrize("command", [("check", "nix"), ("graph", "nix"), ("docs", "nix", "--out", "docs")])
def test_an_unknown_system_is_2_and_a_sentence_that_names_those_there_are(
    copy: Copy, command: tuple[str, ...]
) -> None:
    result = copy.run(*command)

    assert (result.exit_code, result.stdout) == (2, "")
    assert result.stderr == "There is no system nix: pyproject.toml declares clinic, reservation.\n"


def test_a_service_that_cannot_be_imported_is_2_and_says_where(copy: Copy) -> None:
    edit(copy, SEAT, "from clinic_lib.service import Service", "from clinic_lib.service import Servise")

    result = copy.run("check", "reservation")

    assert result.exit_code == 2
    assert result.stderr.startswith(
        "Service seat can't be imported from services.reservation.seat.app:app: ImportError"
    )
    assert f"{SEAT}:3)" in result.stderr


def test_a_module_that_is_no_python_is_2_and_says_where(copy: Copy) -> None:
    edit(copy, SEAT, "service.step(domain.reserve)", "service.step(domain.reserve))")

    result = copy.run("check", "reservation")

    line = (copy.folder / SEAT).read_text().splitlines().index("reserve = service.step(domain.reserve))") + 1
    assert result.exit_code == 2
    assert result.stderr == (
        "Service seat can't be imported from services.reservation.seat.app:app: SyntaxError: unmatched ')' "
        f"({copy.folder / SEAT}:{line})\n"
    )


def test_a_service_of_another_repository_is_looked_at_by_its_manifest(copy: Copy, tmp_path: Path) -> None:
    manifest = tmp_path / "manifest.json"
    assert copy.run("graph", "reservation", "--format", "json", "--out", str(manifest)).exit_code == 0
    theirs = json.loads(manifest.read_text())
    theirs["services"] = [each for each in theirs["services"] if each["name"] == "seat"]
    manifest.write_text(json.dumps(theirs))
    edit(
        copy,
        "pyproject.toml",
        '    { name = "seat", app = "services.reservation.seat.app:app", port = 8092 },\n',
        "",
    )
    (copy.folder / "schemas/reservation.json").unlink()

    alone = copy.run("check", "reservation")
    together = copy.run("check", "reservation", "--manifest", str(manifest))

    assert alone.exit_code == 1
    assert (
        "order.confirm, order.disown, my_page.name_seats handle SeatsReserved, which no service"
        in alone.stdout
    )
    assert (together.exit_code, together.stdout.split(",")[0]) == (0, "reservation: 3 services")


def test_a_finding_in_another_repository_says_so(copy: Copy, tmp_path: Path) -> None:
    manifest = tmp_path / "manifest.json"
    copy.run("graph", "reservation", "--format", "json", "--out", str(manifest))
    theirs = json.loads(manifest.read_text())
    (hall,) = theirs["services"] = [each for each in theirs["services"] if each["name"] == "seat"]
    hall["name"] = "hall"
    hall["handlers"] = [
        {**each, "service": "hall"} for each in hall["handlers"] if each["kind"] != "compensation"
    ]
    manifest.write_text(json.dumps(theirs))

    command = ("check", "reservation", "--manifest", str(manifest))
    told, lines = json.loads(copy.run(*command, "--format", "json").stdout), copy.run(*command).stdout

    there = f" in another repository (told by {manifest})"
    places = [each for each in lines.splitlines() if each.startswith("compensation-missing")]
    assert places and all(each.endswith(there) for each in places)
    found = [each["manifest"] for each in told["findings"] if each["rule"] == "compensation-missing"]
    assert set(found) == {str(manifest)}


def test_a_manifest_of_another_system_or_of_one_s_own_service_is_refused(copy: Copy, tmp_path: Path) -> None:
    manifest = str(tmp_path / "manifest.json")
    copy.run("graph", "reservation", "--format", "json", "--out", manifest)

    strange = copy.run("check", "clinic", "--manifest", manifest)
    twice = copy.run("check", "reservation", "--manifest", manifest)

    assert (strange.exit_code, twice.exit_code) == (2, 2)
    assert strange.stderr == "A manifest is of the system reservation, and clinic is looked at.\n"
    assert twice.stderr == "Two services of reservation are named order.\n"


def test_a_baseline_takes_what_breaks_nobody_and_refuses_what_does(copy: Copy) -> None:
    contracts, baseline = "services/reservation/contracts.py", copy.folder / "schemas/reservation.json"
    customer, agreed_before = "    customer: Text\n", baseline.read_text()
    edit(copy, contracts, customer, customer + "    note: Text | None = None\n")
    stale = copy.run("check", "reservation")
    written = copy.run("check", "reservation", "--write-baseline")
    agreed = baseline.read_text()
    edit(copy, contracts, customer, "")
    refused = copy.run("check", "reservation", "--write-baseline")

    assert stale.exit_code == 1
    rule, wrong, write, _ = stale.stdout.splitlines()
    line = agreed_before.splitlines().index('  "OrderPlaced": {') + 1
    assert rule == f"baseline-stale  schemas/reservation.json:{line}"
    assert wrong == "  schemas/reservation.json is not up to date about OrderPlaced."
    assert write == "    clinic check reservation --write-baseline"
    assert (written.exit_code, written.stderr) == (0, "schemas/reservation.json is written\n")
    assert (refused.exit_code, baseline.read_text()) == (1, agreed)
    assert "for readers of version 1, customer is not there, and is read" in refused.stdout


def test_what_is_broken_with_a_reason_is_taken_and_the_waiver_then_goes(copy: Copy) -> None:
    edit(copy, "services/reservation/contracts.py", "    customer: Text\n", "")
    edit(copy, "services/reservation/order/app.py", "app = service.asgi()", WAIVED)

    waived = copy.run("check", "reservation")
    written = copy.run("check", "reservation", "--write-baseline")
    after = copy.run("check", "reservation")

    rules = [each.split()[0] for each in waived.stdout.splitlines() if each[0] != " "]
    assert rules == ["baseline-stale", "reservation:"]
    assert (written.exit_code, written.stdout.split()[0]) == (1, "waiver-unused")
    assert after.stdout.startswith("waiver-unused  services/reservation/order/app.py:")


WAIVED = """from services.reservation.contracts import OrderPlaced

service.waive("schema-incompatible", OrderPlaced, reason="no reader is older than this")
app = service.asgi()"""


def test_a_picture_of_services_of_other_systems_is_refused(copy: Copy, tmp_path: Path) -> None:
    manifest = str(tmp_path / "manifest.json")
    copy.run("graph", "reservation", "--format", "json", "--out", manifest)

    result = copy.run("graph", "clinic", "--manifest", manifest)

    assert (result.exit_code, result.stderr) == (2, "A manifest is of reservation, not of clinic.\n")


def test_a_service_that_is_wired_wrongly_is_2_and_says_where(copy: Copy) -> None:
    edit(copy, SEAT, "service.step(domain.reserve)", "service.projection(domain.reserve)")

    result = copy.run("check", "reservation")

    assert result.exit_code == 2
    assert result.stderr.startswith(
        "Service seat is wired wrongly: reserve: a projection returns rows, no events"
    )
    assert "seat/domain.py:" in result.stderr


def test_documents_are_shown_until_they_are_not_looked_at_any_more(copy: Copy) -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = [sys.executable, "-m", "clinic_lib.cli", "docs", "reservation", "--serve", str(port)]
    serving = subprocess.Popen(command, cwd=copy.folder, stdout=subprocess.PIPE, text=True)
    assert serving.stdout

    said = serving.stdout.readline()
    page = _get(f"http://127.0.0.1:{port}/")
    serving.send_signal(signal.SIGINT)

    assert said == f"http://127.0.0.1:{port} shows the documents of reservation; Ctrl-C ends it\n"
    assert "OrderPlaced" in page
    assert serving.wait(10) in (0, 130, -signal.SIGINT)
    serving.stdout.close()


def _get(url: str) -> str:
    for _ in range(100):
        try:
            return httpx2.get(url).text
        except httpx2.TransportError:
            time.sleep(0.1)
    raise AssertionError(url)


def test_a_strange_baseline_is_2(copy: Copy) -> None:
    (copy.folder / "schemas/clinic.json").write_text("[]")

    result = copy.run("check", "clinic")

    assert result.exit_code == 2
    assert "schemas/clinic.json is no baseline: write it by `clinic check --write-baseline`" in result.stderr


def test_a_picture_is_written_and_found_stale(copy: Copy) -> None:
    command = ("graph", "reservation", "--out", "docs/reservation.md")

    missing = copy.run(*command, "--check")
    written = copy.run(*command)
    right = copy.run(*command, "--check")
    path = copy.folder / "docs/reservation.md"
    path.write_text(path.read_text().replace("SeatsReserved", "SeatsTaken"))
    stale = copy.run(*command, "--check")

    assert [each.exit_code for each in (missing, written, right, stale)] == [1, 0, 0, 1]
    assert stale.stderr == (
        "docs/reservation.md is stale: write it again by "
        "`clinic graph reservation --format mermaid --out docs/reservation.md`.\n"
    )


def test_a_check_without_a_file_and_documents_without_a_place_are_2(copy: Copy) -> None:
    check, docs = copy.run("graph", "clinic", "--check"), copy.run("docs", "clinic")

    assert (check.exit_code, check.stderr) == (2, "--check compares a file: say which by --out.\n")
    assert (docs.exit_code, "--out DIR" in docs.stderr, "--serve PORT" in docs.stderr) == (2, True, True)


@pytest.mark.parametrize("form", ["dot", "json", "mermaid"])
def test_a_picture_is_told_on_standard_output(copy: Copy, form: str) -> None:
    result = copy.run("graph", "clinic", "--format", form)

    assert result.exit_code == 0
    assert "ReceptionRegistered" in result.stdout


def test_documents_are_written(copy: Copy) -> None:
    result = copy.run("docs", "reservation", "--out", "site")

    assert (result.exit_code, result.stdout) == (0, "10 files are in site\n")
    assert json.loads((copy.folder / "site/seat/asyncapi.json").read_text())["info"]["title"] == "seat"


@pytest.mark.parametrize("command", ["check", "graph", "docs"])
def test_help_says_what_it_does_and_gives_an_example(copy: Copy, command: str) -> None:
    result = copy.run(command, "--help")

    assert result.exit_code == 0
    assert f"Example: clinic {command} " in " ".join(result.stdout.split())


def test_no_setting_no_server_and_no_folder_of_the_stack_is_needed(copy: Copy) -> None:
    bare = {"PATH": os.environ["PATH"]}

    result = subprocess.run(
        [sys.executable, "-m", "clinic_lib.cli", "check"],
        cwd=copy.folder,
        env=bare,
        capture_output=True,
        check=False,
    )

    assert (result.returncode, result.stderr) == (0, b"")
    assert not (copy.folder / ".clinic").exists()
