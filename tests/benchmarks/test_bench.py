"""`clinic bench`, its page and its plots."""

import json
import re
import subprocess
import sys
from dataclasses import fields, replace
from pathlib import Path
from typing import Any, get_args
from xml.etree import ElementTree

import pytest

from clinic_lib.local.errors import StackError
from clinic_lib.local.folder import ClinicFolder
from tests.benchmarks import bench, capacity, ground, growth, page, plots, results, soak
from tests.benchmarks.contenders import PEERS, peers_are_installed
from tests.benchmarks.ground import PROJECT
from tests.benchmarks.head_to_head import Measured
from tests.benchmarks.load import Load, percentile
from tests.benchmarks.plots import Axis
from tests.benchmarks.stopwatch import Result
from tests.benchmarks.workload import RunError

LOST = Result(9e9, gate=["a seat is lost"])


def clinic_bench(*arguments: str) -> "subprocess.CompletedProcess[str]":
    command = [sys.executable, "-m", "clinic_lib.cli", "bench", *arguments]
    return subprocess.run(command, cwd=PROJECT, capture_output=True, text=True, timeout=60, check=False)


def test_help_names_every_way_to_run_it() -> None:
    told = clinic_bench("--help")

    assert told.returncode == 0
    for option in ("--quick", "--json", "--sweep", "--soak", "--rounds", "--render"):
        assert option in told.stdout


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (("--quick", "--sweep"), "Say one of --quick, --sweep, --soak and --render."),
        (("--json",), "--json goes with --quick"),
        (("--render", "--rounds", "3"), "--rounds goes with --quick or alone"),
        (("--sweep", "--rounds", "3"), "--rounds goes with --quick or alone"),
        (("--soak", "1", "--rounds", "3"), "--rounds goes with --quick or alone"),
    ],
)
def test_options_that_contradict_each_other_are_refused(arguments: tuple[str, ...], sentence: str) -> None:
    refused = clinic_bench(*arguments)

    assert refused.returncode == 1
    assert refused.stderr.startswith(sentence)


@pytest.mark.parametrize("minutes", ["inf", "nan", "0.4", "-inf"])
def test_a_soak_lasts_a_number_of_minutes(minutes: str) -> None:
    refused = clinic_bench("--soak", minutes)

    assert refused.returncode == 2
    assert "Invalid value for '--soak'" in refused.stderr


def test_a_soak_s_slices_are_as_long_together_as_was_asked_for() -> None:
    for minutes, slices in ((0.5, 2), (1, 3), (1.1, 3), (10, 30)):
        number, seconds = soak.slices_of(minutes)

        assert number == slices
        assert number * seconds == pytest.approx(minutes * 60)


def test_peers_count_as_installed_when_the_lock_s_mark_is_there(tmp_path: Path) -> None:
    """As scripts/install writes it."""
    for name in ("requirements/peers.lock", "pyproject.toml", ".venv-peers/bin/python"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(name)
    (tmp_path / ".venv-peers/bin/python").chmod(0o755)
    half = peers_are_installed(tmp_path)
    write_mark = "cat requirements/peers.lock pyproject.toml | cksum >.venv-peers/installed-peers"
    subprocess.run(write_mark, shell=True, cwd=tmp_path, check=True)
    whole = peers_are_installed(tmp_path)
    (tmp_path / "requirements/peers.lock").write_text("newer")

    assert (half, whole, peers_are_installed(tmp_path)) == (False, True, False)


def test_the_page_is_the_one_that_the_stored_results_make() -> None:
    assert not page.PAGE.exists() or page.PAGE.read_text() == page.text(results.load())


def test_a_page_of_every_part_tells_ratios_and_draws_plots(tmp_path: Path) -> None:
    folder = tmp_path / "benchmarks"
    results.keep(found_by_a_full_run(), folder)

    page.write(folder)

    text = (tmp_path / "benchmarks.md").read_text()
    assert "**0.50 ×** (0.50 to 0.50) the floor, and **20.0 ×** eventsourcing" in text
    assert "not quiet" not in text
    assert "**2.0 ×** as many as with a commit for each request" in text
    assert "\n1 minute at 80 sagas/s" in text
    assert "the one that ended after 0.7 minutes: p50 6 ms, p99 90 ms" in text
    assert "2 of 3 × 100" in text  # a run whose gate failed is left out
    for plot in folder.glob("*.svg"):
        ElementTree.fromstring(plot.read_text())
    assert {plot.stem for plot in folder.glob("*.svg")} == {
        "head_to_head",
        *("sweep-partitions", "sweep-partitions-latency"),
        *("soak-latency", "soak-memory", "soak-rows"),
    }


def test_ratios_are_those_of_each_round_and_a_restless_machine_is_told(tmp_path: Path) -> None:
    """The machine became slower for two rounds, and a run of the product failed: the medians lie in other rounds."""
    found = found_by_a_full_run()
    product = [LOST, *(Result(rate) for rate in (600.0, 450.0, 2_400.0, 1_600.0))]
    floor = [Result(rate) for rate in (9_000.0, 1_000.0, 1_000.0, 3_000.0, 4_000.0)]
    for name, runs in (("product", product), ("floor", floor)):
        found["head_to_head"][name] = Measured(name, 100, runs).to_json()
    results.keep(found, tmp_path)

    text = page.text(results.load(tmp_path))

    assert "**0.53 ×** (0.40 to 0.80) the floor" in text
    assert "the runs of product and floor differ by more than 2 ×" in text


def test_there_is_no_ratio_where_no_round_of_both_counts(tmp_path: Path) -> None:
    found = found_by_a_full_run()
    found["head_to_head"]["product"] = Measured("product", 100, [LOST, Result(1_000.0)]).to_json()
    found["head_to_head"]["floor"] = Measured("floor", 100, [Result(2_000.0), LOST]).to_json()
    results.keep(found, tmp_path)

    text = page.text(results.load(tmp_path))

    assert "**1,000 sagas/s**: – × the floor" in text
    assert "| product | 1,000 | 1,000 to 1,000 | – |" in text


def test_each_part_says_the_commit_that_was_measured(tmp_path: Path) -> None:
    found = found_by_a_full_run()
    now = results.circumstances()
    results.keep(found, tmp_path, replace(now, commit="1a2b3c4"))
    results.keep({"soak": found["soak"]}, tmp_path, replace(now, commit="5d6e7f8, changed"))
    stored = results.load(tmp_path)
    del stored["clinic"]["measured"]["commit"]  # as parts were stored before
    (tmp_path / "results.json").write_text(json.dumps(stored))

    text = page.text(results.load(tmp_path))

    assert text.count(f"*Measured on {now.day}, commit 1a2b3c4: ") == len(found) - 2
    assert text.count(f"*Measured on {now.day}, commit 5d6e7f8, changed: ") == 1
    assert text.count(f"*Measured on {now.day}, of an unknown version: ") == 1


def test_the_commit_is_that_of_the_code_and_marked_when_it_was_changed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(results, "PROJECT", tmp_path)
    monkeypatch.setenv("GIT_CEILING_DIRECTORIES", str(tmp_path.parent))
    commits = [results.circumstances().commit]
    author = ("-c", "user.name=a", "-c", "user.email=a@b.example")
    for name in ("code", "docs/page"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text("")
    for command in (("init",), ("add", "."), (*author, "commit", "-m", "Begin")):
        subprocess.run(("git", *command), cwd=tmp_path, check=True, capture_output=True)
    for name in ("docs/page", "code"):
        (tmp_path / name).write_text("changed")
        commits.append(results.circumstances().commit)

    unknown, clean, changed = commits
    assert unknown == "unknown"
    assert re.fullmatch("[0-9a-f]{7,}", clean)
    assert changed == f"{clean}, changed"


SPOILT: list[tuple[str, Any]] = [
    ("soak", {}),
    ("head_to_head", {"measured": {}, "found": {}}),
    ("head_to_head.found.floor", None),
    ("head_to_head.found.floor.results", [{"sagas_per_second": 9.0}]),
    ("head_to_head.found.product.results", []),
    ("latency.found.capacity", "366"),
    ("latency.found.at", []),
    ("latency.found.at", [{}]),
    ("per_record.found.bare", {"cpu_us": 1}),
    ("sweep.found.partitions", []),
    ("sweep.found.partitions", [{"value": 1, "throughputs": []}]),
    ("soak.found.samples", []),
    ("foo", 1),
    ("latency.found.foo", 1),
    ("latency.measured.foo", 1),
    ("latency.measured.cores", -2),
    ("latency.found.capacity", float("nan")),
    ("latency.found.capacity", float("inf")),
    ("latency.found.capacity", -1.0),
    ("latency.found.capacity", 1e300),
    ("latency.found.capacity", 10**400),
    ("http_commands.found.each.many.per_second", 0.0),
    ("http_commands.found.each.many.per_second", 5e-324),
    ("http_commands.found.none.many.per_second", 0.0),
    ("http_commands.found.each.one.p50_ms", 0.0),
    ("per_record.found.bare.cpu_us", 0.0),
    ("head_to_head.found.floor.results.0.sagas_per_second", 0.0),
    ("head_to_head.found.product.results.1.sagas_per_second", 0.0),
    ("head_to_head.found.dbos.results.0.sagas_per_second", 0.0),
    ("sweep.found.partitions.0.sagas_per_second", 0.0),
    ("sweep.found.partitions.0.value", 0),
    ("sweep.found.colours", []),
    *(
        (f"{place}.foo", 1)
        for place in ("sweep.found.partitions.0", "soak.found.samples.0", "soak.found", "soak")
    ),
    ("clinic.found.GET /", {"per_second": 1.0, "p50_ms": 1.0, "p99_ms": 1.0}),
    ("soak.found.minutes", 0.0),
]


@pytest.mark.parametrize(("place", "value"), SPOILT)
def test_results_that_are_not_ours_are_refused_and_the_page_stays(
    tmp_path: Path, place: str, value: Any
) -> None:
    folder = tmp_path / "benchmarks"
    results.keep(found_by_a_full_run(), folder)
    stored = results.load(folder)
    spoil(stored, place, value)
    (folder / "results.json").write_text(json.dumps(stored))
    (tmp_path / "benchmarks.md").write_text("as it was")

    with pytest.raises(StackError, match=r"results\.json is not what clinic bench writes \(") as refused:
        page.write(folder)

    assert f"({place.partition('.')[0]}" in str(refused.value)
    assert (tmp_path / "benchmarks.md").read_text() == "as it was"


def spoil(stored: Any, place: str, value: Any) -> None:
    """Put `value` at the place, or take away what is there."""
    *path, last = place.split(".")
    for name in path:
        stored = stored[int(name) if name.isdecimal() else name]
    if value is None:
        del stored[last]
    else:
        stored[last] = value


def test_the_fields_that_are_stored_are_those_that_are_measured() -> None:
    load = Load(1.0, [1.0]).to_json()

    assert set(results.Run.__annotations__) == {field.name for field in fields(Result)}
    assert set(results.Contender.__annotations__) == {field.name for field in fields(Measured)} | {"gate"}
    assert set(results.Percentiles.__annotations__) == load.keys()


@pytest.mark.parametrize("spoilt", ["", "{", "[]", "null"])
def test_results_that_are_no_object_are_refused(tmp_path: Path, spoilt: str) -> None:
    (tmp_path / "results.json").write_text(spoilt)

    with pytest.raises(StackError, match=r"results\.json is not what clinic bench writes \([IE]"):
        results.load(tmp_path)


def test_runs_that_do_not_count_are_written_and_told(tmp_path: Path) -> None:
    """A peer without any leaves the others' figures."""
    folder = tmp_path / "benchmarks"
    found = found_by_a_full_run()
    found["head_to_head"]["dbos"] = Measured("dbos", 100, [LOST]).to_json()

    with pytest.raises(
        StackError, match=r"Runs that do not count: product: a seat is lost; .*dbos: a seat is lost"
    ):
        bench.keep(found, folder)

    assert results.load(folder)["head_to_head"]["found"]["dbos"]["results"]
    assert "| dbos | 0 | 0 to 0 | – |" in (tmp_path / "benchmarks.md").read_text()


@pytest.mark.parametrize("failing", [["product"], ["floor"], [*PEERS]], ids="-".join)
def test_nothing_is_compared_with_what_has_no_run_that_counts(failing: list[str]) -> None:
    measured = {name: Measured(name, 9, [Result(9.0), LOST]) for name in ("product", "floor", *PEERS)}
    bench.need_counted(measured)
    for name in failing:
        measured[name] = Measured(name, 9, [LOST])

    with pytest.raises(
        RunError, match=f"no run of {' or '.join(failing)} counts: {failing[0]}: a seat is lost"
    ):
        bench.need_counted(measured)


def test_folders_of_the_dead_are_cleared_and_others_stay(tmp_path: Path) -> None:
    """Whoever is alive holds the lock, also where its number means nothing: on the other side of a container."""
    for name in ("bench-dead", "bench-alive", "bench-mine"):
        (tmp_path / name).mkdir()
    with ClinicFolder(tmp_path / "bench-dead").locked():
        pass
    with ClinicFolder(tmp_path / "bench-alive").locked():
        ground.clear_after_the_dead(tmp_path)

    assert {path.name for path in tmp_path.iterdir()} == {"bench-alive", "bench-mine"}


def test_a_part_that_is_measured_again_replaces_the_earlier_one(tmp_path: Path) -> None:
    found = found_by_a_full_run()
    results.keep(found, tmp_path)
    again = {**found["soak"], "minutes": 2}
    results.keep({"soak": again}, tmp_path)

    stored = results.load(tmp_path)

    assert stored["soak"]["found"] == again
    assert stored["latency"]["found"] == found["latency"]


def test_a_cluster_is_computed_from_what_one_saga_took() -> None:
    stored = {"head_to_head": {"found": found_by_a_full_run()["head_to_head"]}}

    it = capacity.need(100_000, stored)

    assert it.service_cores == pytest.approx(100_000 * 240e-6 / capacity.HEADROOM, abs=1)
    assert it.database_cores == pytest.approx(100_000 * 120e-6 / capacity.HEADROOM, abs=1)
    assert it.shards == 1  # 90 MB/s of WAL over three databases, 7 cores each
    assert it.gigabytes_a_day == pytest.approx(100_000 * 86_400 * 1_000 / 1e9)
    assert it.dollars_a_month > it.database_cores * capacity.Prices().database_core


def test_a_cluster_is_computed_from_the_middle_of_the_runs_that_count() -> None:
    found = found_by_a_full_run()["head_to_head"]
    runs = [Result(rate, cpu=1e6 / rate) for rate in (3_000.0, 1_000.0, 2_000.0)]
    bad = Result(2_500.0, cpu=9e9, gate=["a seat is lost"])
    found["product"] = Measured("product", 100, [runs[0], bad, *runs[1:]]).to_json()

    it = capacity.need(1_500, {"head_to_head": {"found": found}})

    assert (
        it.service_cores == 2
    )  # 1,500 times 500 µs, of 60 % of a core; the fastest run would say 1, the slowest 3


def test_a_run_whose_gate_fails_does_not_count() -> None:
    measured = Measured(
        "product", 100, [Result(100.0), Result(900.0, gate=["a seat is lost"]), Result(200.0)]
    )

    assert measured.sagas_per_second == 150
    assert measured.gate == ["a seat is lost"]


def test_percentiles_are_values_that_were_measured() -> None:
    assert percentile([3.0, 1.0, 2.0], 0.5) == 2.0
    assert percentile(list(range(1, 101)), 0.99) == 99
    assert percentile(list(range(1, 102)), 0.99) == 100
    assert percentile([1.0, 2.0], 0.5) == 1.0
    assert percentile([], 0.5) == 0.0


def test_plots_place_points_between_the_axes() -> None:
    drawn = plots.lines(
        "t", Axis("x", logarithmic=True), Axis("y"), {"a": [(10, 0), (1000, 8)], "b": [(100, 4)]}
    )

    root = ElementTree.fromstring(drawn)
    line = next(each for each in root.iter() if each.tag.endswith("polyline"))
    assert line.attrib["points"] == (
        f"{plots.LEFT}.0,{plots.HEIGHT - plots.BOTTOM}.0 {plots.WIDTH - plots.RIGHT}.0,{plots.TOP}.0"
    )


def test_bars_of_one_power_of_ten_have_an_axis() -> None:
    drawn = plots.bars("t", Axis("y", logarithmic=True), {"a": 1000, "b": 1000})

    ElementTree.fromstring(drawn)


def test_plots_join_the_least_and_the_most_of_a_span() -> None:
    drawn = plots.lines("t", Axis("x"), Axis("y"), {"a": [(1, 2), (2, 3)]}, {"a": [(2, [3, 8, 1])]})

    bottom, height = plots.HEIGHT - plots.BOTTOM, plots.HEIGHT - plots.TOP - plots.BOTTOM
    assert f'"M{plots.WIDTH - plots.RIGHT}.0 {bottom - height / 8:.1f}V{plots.TOP}.0"' in drawn


def test_the_sweep_tells_how_far_its_runs_lie_apart(tmp_path: Path) -> None:
    results.keep(found_by_a_full_run(), tmp_path)

    text = page.text(results.load(tmp_path))

    assert "from 9 (8 to 11) to 216 (215 to 218) sagas/s (24.00 ×)" in text
    assert "p99 to the view, at 10 orders/s, from 9 (4 to 90) to 9 (4 to 90) ms" in text


def test_a_sweep_whose_runs_were_not_kept_says_so(tmp_path: Path) -> None:
    found = found_by_a_full_run()
    for n, point in enumerate(found["sweep"]["partitions"]):
        point["rate"] = 100.0 + n
        del point["throughputs"], point["latencies"]
    results.keep(found, tmp_path)
    page.write(tmp_path)

    text = page.text(results.load(tmp_path))

    assert "`clinic bench --sweep` tells it" in text
    assert "from 9 to 216 sagas/s (24.00 ×)" in text
    assert "at 100 to 101 orders/s, from 9 to 9 ms" in text


def test_every_series_of_the_sweep_says_why() -> None:
    from tests.benchmarks.sweep import SERIES  # noqa: PLC0415 - beside the only use

    assert growth.WHY.keys() == SERIES.keys() == set(get_args(growth.Series))


def found_by_a_full_run() -> dict[str, Any]:
    """Made-up figures in the shape of real ones."""

    def measured(name: str, rate: float) -> dict[str, Any]:
        runs = [Result(each, 240, 120, 30, 0.02, 900, 1000) for each in (rate, rate)]
        runs.append(LOST)
        return Measured(name, 100, runs, 0.5).to_json()

    load = {"per_second": 4_000.0, "p50_ms": 10.0, "p99_ms": 20.0, "requests": 1, "failures": 0}
    half = {**load, "per_second": 2_000.0}
    point = {"rate": 10.0, "p50_ms": 5.0, "p99_ms": 9.0, "http_p50_ms": 2.0, "http_p99_ms": 4.0, "watched": 9}

    def swept(partitions: int) -> dict[str, Any]:
        rate = 9.0 * partitions
        figures = {"value": partitions, "sagas_per_second": rate, "throughputs": [rate, rate - 1, rate + 2]}
        return {**point, **figures, "latencies": [point, {**point, "p99_ms": 90.0}, {**point, "p99_ms": 4.0}]}

    sample = {"memory_mb": 90.0, "dead_rows": 5.0, "dead_outbox_rows": 4.0, "vacuums": 2.0, "outbox_mb": 1.0}
    slow = {2: {"p50_ms": 6.0, "p99_ms": 90.0}, 3: {"p50_ms": 7.0}}
    rates = {"product": 2_000.0, "floor": 4_000.0, "eventsourcing": 100.0, "dbos": 50.0}
    return {
        "head_to_head": {name: measured(name, rate) for name, rate in rates.items()},
        "latency": {"capacity": 100.0, "at": [{"share": 0.2, "rounds": 5, **point}]},
        "http_commands": {
            "group": {"many": load, "one": load},
            "each": {"many": half, "one": load},
            "none": {"many": load, "one": load},
        },
        "per_record": {way: {"cpu_us": 9.0, "all": [9.0]} for way in ("product", "bare")},
        "clinic": {"POST /receptions": load},
        "sweep": {"partitions": [swept(n) for n in (1, 24)]},
        "soak": {
            "minutes": 1,
            "rate": 80.0,
            "samples": [{"seconds": 20.0 * n, **point, **sample} | slow.get(n, {}) for n in range(1, 5)],
        },
    }
