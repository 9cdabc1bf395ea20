"""Every dashboard is one that Grafana takes, and every panel says what it shows."""

import itertools
import json
import os
from collections.abc import Iterator
from typing import Any

import httpx2
import pytest
from grafana_foundation_sdk.cog.encoder import JSONEncoder
from grafana_foundation_sdk.models import units
from grafana_foundation_sdk.models.dashboard import Dashboard

from infra.dashboards.board import TAG, Board
from infra.observe import all_alerts, all_boards
from infra.recording import ROOT, Program

BOARDS = {board.uid: board for board in all_boards()}
UNITS = {value for name, value in vars(units).items() if not name.startswith("_") and isinstance(value, str)}
EVERY_BOARD = pytest.mark.parametrize("board", BOARDS.values(), ids=BOARDS.keys())


def panels(board: Board) -> list[dict[str, Any]]:
    """Without the rows."""
    return [panel for panel in board.content()["panels"] if panel["type"] != "row"]


def unknown_keys(given: Any, known: Any, where: str = "") -> Iterator[str]:
    """What Grafana's own types lost of what was given, because they know no such field."""
    if isinstance(given, dict):
        for key, value in given.items():
            if not isinstance(known, dict) or key not in known:
                yield f"{where}/{key}"
            else:
                yield from unknown_keys(value, known[key], f"{where}/{key}")
    elif isinstance(given, list):
        for number, value in enumerate(given):
            yield from unknown_keys(value, known[number], f"{where}/{number}")
    elif given != known:
        yield where


@EVERY_BOARD
def test_grafanas_types_know_every_field(board: Board) -> None:
    content = board.content()

    read = json.loads(JSONEncoder().encode(Dashboard.from_json(content)))

    assert list(unknown_keys(content, read)) == []


def test_an_unknown_field_would_be_found() -> None:
    content = BOARDS["sagas"].content()
    content["panels"][1]["fieldConfig"]["defaults"]["units"] = "s"

    read = json.loads(JSONEncoder().encode(Dashboard.from_json(content)))

    assert list(unknown_keys(content, read)) == ["/panels/1/fieldConfig/defaults/units"]


@EVERY_BOARD
def test_no_panel_covers_another(board: Board) -> None:
    places = [panel["gridPos"] for panel in board.content()["panels"]]

    assert all(place["x"] + place["w"] <= 24 for place in places)
    for one, other in itertools.combinations(places, 2):
        beside = one["x"] + one["w"] <= other["x"] or other["x"] + other["w"] <= one["x"]
        below = one["y"] + one["h"] <= other["y"] or other["y"] + other["h"] <= one["y"]
        assert beside or below, (board.uid, one, other)


@EVERY_BOARD
def test_every_panel_has_a_title_an_explanation_and_a_unit(board: Board) -> None:
    for panel in panels(board):
        assert panel["title"]
        assert panel["description"].endswith("."), panel["title"]
        assert panel["fieldConfig"]["defaults"]["unit"] in UNITS, panel["title"]


@EVERY_BOARD
def test_every_query_names_its_lines_and_its_data_source(board: Board) -> None:
    for panel in panels(board):
        assert panel["targets"], panel["title"]
        for target in panel["targets"]:
            assert target["legendFormat"], panel["title"]
            assert target["datasource"] == {"type": "prometheus", "uid": "${datasource}"}, panel["title"]
        assert len({target["refId"] for target in panel["targets"]}) == len(panel["targets"])


@EVERY_BOARD
def test_every_line_has_a_legend(board: Board) -> None:
    for panel in panels(board):
        if panel["type"] == "timeseries":
            assert panel["options"]["legend"]["showLegend"], panel["title"]


@EVERY_BOARD
def test_panels_are_told_apart(board: Board) -> None:
    ids = [panel["id"] for panel in board.content()["panels"]]

    assert len(set(ids)) == len(ids)


@EVERY_BOARD
def test_variables_are_used_and_what_is_used_is_a_variable(board: Board) -> None:
    content = board.content()
    chosen = {variable["name"] for variable in content["templating"]["list"]}
    asked = " ".join(target["expr"] for panel in panels(board) for target in panel["targets"])

    used = {name for name in ("saga", "service", "topic", "destination") if f"${name}" in asked}

    assert used == chosen - {"datasource"}


def test_no_two_dashboards_share_an_id_or_a_title() -> None:
    boards = all_boards()

    assert len({board.uid for board in boards}) == len({board.title for board in boards}) == len(boards)


@EVERY_BOARD
def test_every_dashboard_has_an_owner(board: Board) -> None:
    assert (ROOT / board.owner).is_file()
    assert board.answers.endswith("?")
    assert TAG in board.content()["tags"]


def links(board: Board) -> Iterator[str]:
    yield from (link.url for link in board.links)


def test_links_lead_to_dashboards_that_are_there() -> None:
    wanted = {
        url.removeprefix("/d/") for board in BOARDS.values() for url in links(board) if url.startswith("/d/")
    }
    wanted |= {alert.board for alerts in all_alerts().values() for alert in alerts}

    assert wanted <= set(BOARDS)


def test_every_dashboard_is_shipped_with_the_label_that_grafana_looks_for(program: Program) -> None:
    shipped = {
        name: each.inputs["metadata"]
        for each in program.of_kind("ConfigMap")
        for name in each.inputs.get("data", {})
        if name.endswith(".json")
    }

    assert set(shipped) == {f"{uid}.json" for uid in BOARDS}
    for metadata in shipped.values():
        assert metadata["labels"]["grafana_dashboard"] == "1"


def test_a_real_grafana_takes_them() -> None:
    """GRAFANA_URL with a user who may write: http://admin:password@127.0.0.1:3000."""
    url = os.environ.get("GRAFANA_URL")
    if not url:
        pytest.skip("GRAFANA_URL names no Grafana")
    with httpx2.Client(base_url=url, timeout=30) as grafana:
        for board in BOARDS.values():
            body = {"dashboard": board.content(), "overwrite": True}
            made = grafana.post("/api/dashboards/db", json=body)
            assert made.is_success, f"{board.uid}: {made.text}"
            assert grafana.get(f"/api/dashboards/uid/{board.uid}").is_success
