"""docs/benchmarks.md and its plots, made from the stored results: nothing on the page is written by hand."""

from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from statistics import median
from typing import Any

from tests.benchmarks import capacity, comparison, files, growth, plots, rates, results
from tests.benchmarks.plots import Axis
from tests.benchmarks.tables import table
from tests.benchmarks.workload import RECORDS

__all__ = ["PAGE", "text", "write"]

PAGE = results.FOLDER.parent / "benchmarks.md"
CLUSTER_RATES = (1_000, 10_000, 100_000)
HEADER = """\
# Benchmarks

`clinic bench` wrote this page and its plots from [results.json](benchmarks/results.json);
[performance](performance.md) says how to read it, and what limits the library. A run counts only when its gate passes:
every order ended, a third refused, no seat lost or sold twice, my page equal to the orders; of product and floor, whose
inboxes and outboxes we know, also inboxes complete and outboxes empty.
"""


def write(folder: Path = results.FOLDER) -> None:
    """The page beside `folder`, its plots in it. Raises `OSError`, and `StackError` for results that are not ours."""
    stored = results.load(folder)
    page, made = text(stored), _plots(stored)
    files.write(folder.parent / PAGE.name, page)
    for name, plot in made.items():
        files.write(folder / f"{name}.svg", plot)


def text(stored: Mapping[str, Any]) -> str:
    """The page; parts that were never measured are not on it."""
    blocks = [HEADER]
    for part, section in SECTIONS.items():
        if part in stored:
            found, circumstances = stored[part]["found"], stored[part]["measured"]
            blocks.append("\n".join(section(found)) + "\n\n" + _circumstances(circumstances))
    if "head_to_head" in stored:
        blocks.append("\n".join(_cluster(stored)) + "\n")
    return "\n".join(blocks)


def _latency(found: Mapping[str, Any]) -> Iterator[str]:
    yield "## From HTTP to my page"
    yield ""
    yield (
        "Orders over HTTP, all services in one process, the load from the same machine: "
        f"{found['capacity']:,.0f} a second (median of three). "
        "Latency counts from when a request was due until my page shows its order's end; "
        f"medians of {found['at'][0]['rounds']} rounds."
    )
    yield ""
    rows = [
        [
            f"{each['share']:.0%}",
            f"{each['rate']:,.0f}",
            *(f"{each[name]:,.0f} ms" for name in ("p50_ms", "p99_ms", "http_p50_ms", "http_p99_ms")),
        ]
        for each in found["at"]
    ]
    columns = [
        "of capacity",
        "sagas/s",
        "p50 to the view",
        "p99 to the view",
        "p50 of the POST",
        "p99 of the POST",
    ]
    yield from table(columns, rows)


def _http_commands(found: Mapping[str, Any]) -> Iterator[str]:
    group, each, none = found["group"], found["each"], found["none"]
    yield "## Commands over HTTP"
    yield ""
    yield (
        f"`POST /orders` through uvicorn with 64 connections: committed in groups it answers "
        f"**{group['many']['per_second'] / each['many']['per_second']:.1f} ×** as many as with a commit for each "
        f"request, and **{group['many']['per_second'] / none['many']['per_second']:.2f} ×** as many as without a "
        f"database. With one connection it takes {group['one']['p50_ms'] / each['one']['p50_ms']:.2f} × as long as "
        "a commit of its own. Events go to Kafka, too."
    )
    yield ""
    names = {"group": "committed in groups", "each": "each commits", "none": "no database"}
    rows = [
        [
            title,
            f"{found[name]['many']['per_second']:,.0f}",
            *(f"{found[name]['many'][rank]:.1f} ms" for rank in ("p50_ms", "p99_ms")),
            *(f"{found[name]['one'][rank]:.1f} ms" for rank in ("p50_ms", "p99_ms")),
        ]
        for name, title in names.items()
    ]
    yield from table(["", "requests/s at 64", "p50", "p99", "p50 with one", "p99 with one"], rows)


def _per_record(found: Mapping[str, Any]) -> Iterator[str]:
    product, bare = (found[way]["cpu_us"] for way in ("product", "bare"))
    yield "## CPU a record"
    yield ""
    yield (
        f"My page's service takes **{product:.0f} µs** of CPU for a record, **{product / bare:.1f} ×** the "
        f"{bare:.0f} µs of the same statements by hand on aiokafka and asyncpg (`tests/benchmarks/bare.py`). "
        f"Medians of {len(found['product']['all'])}, in turns, {RECORDS} records a poll."
    )


def _clinic(found: Mapping[str, Any]) -> Iterator[str]:
    yield "## The clinic under load"
    yield ""
    yield (
        "20 clients, each with a request always under way, against the services' own ports; reception, diagnosis and "
        "patient_management knew everybody who was registered in the end. The examination runs, too, and hears of "
        "nobody before something is prescribed."
    )
    yield ""
    rows = [
        [f"`{name}`", f"{each['per_second']:,.0f}", f"{each['p50_ms']:.1f} ms", f"{each['p99_ms']:.1f} ms"]
        for name, each in found.items()
    ]
    yield from table(["", "requests/s", "p50", "p99"], rows)


def _sweep(found: Mapping[str, Any]) -> Iterator[str]:
    yield "## How it grows"
    yield ""
    yield growth.introduction(found)
    for name, points in found.items():
        yield ""
        yield f"### {name.capitalize()}"
        yield ""
        yield growth.paragraph(name, points)
        yield ""
        yield f"![Sagas a second]({_file('sweep', name)}.svg) ![Latency]({_file('sweep', name)}-latency.svg)"


def _soak(found: Mapping[str, Any]) -> Iterator[str]:
    minutes, samples = found["minutes"], found["samples"]
    half = len(samples) // 2

    def both(name: str) -> str:
        first, second = (median(each[name] for each in part) for part in (samples[:half], samples[half:]))
        return f"{first:,.0f} and {second:,.0f}"

    worst = max(samples, key=lambda each: each["p99_ms"])
    yield "## A soak"
    yield ""
    yield (
        f"{minutes:g} {'minute' if minutes == 1 else 'minutes'} at {found['rate']:,.0f} sagas/s, "
        "80 % of the capacity over HTTP. First and second half, medians: "
        f"memory {both('memory_mb')} MB, p50 to the view {both('p50_ms')} ms, p99 {both('p99_ms')} ms, dead rows "
        f"{both('dead_rows')}, outbox {both('outbox_mb')} MB. Autovacuum came {samples[-1]['vacuums']:,.0f} times. "
        f"The worst of {len(samples)} slices was the one that ended after {worst['seconds'] / 60:.1f} minutes: "
        f"p50 {worst['p50_ms']:,.0f} ms, p99 {worst['p99_ms']:,.0f} ms."
    )
    yield ""
    yield "![Latency](benchmarks/soak-latency.svg)"
    yield "![Memory](benchmarks/soak-memory.svg) ![Dead rows](benchmarks/soak-rows.svg)"


SECTIONS: dict[str, Callable[[Any], Iterator[str]]] = {
    "head_to_head": comparison.section,
    "latency": _latency,
    "http_commands": _http_commands,
    "per_record": _per_record,
    "clinic": _clinic,
    "sweep": _sweep,
    "soak": _soak,
}


def _cluster(stored: Mapping[str, Any]) -> Iterator[str]:
    yield "## On a cluster"
    yield ""
    yield (
        "Computed (`tests/benchmarks/capacity.py`) from the CPU a saga takes above, with "
        f"{capacity.HEADROOM:.0%} of every core planned for; nobody has run it. "
        "[Performance](performance.md#100000-sagas-a-second) says what it means and what it leaves out."
    )
    yield ""
    rows = []
    for rate in CLUSTER_RATES:
        it = capacity.need(rate, stored)
        rows.append(
            [
                f"{rate:,}",
                *(f"{cores:,}" for cores in (it.service_cores, it.database_cores)),
                f"{it.wal_megabytes_per_second:,.0f} MB/s",
                f"{capacity.SERVICES} × {it.shards:,}",
                *(f"{number:,}" for number in (it.broker_cores, it.partitions)),
                f"{it.gigabytes_a_day:,.0f} GB",
                f"{it.dollars_a_month:,.0f}",
            ]
        )
    columns = [
        "sagas/s",
        "services' cores",
        "PostgreSQL's cores",
        "its WAL",
        "databases",
        "Kafka's cores",
        "partitions",
        "log a day",
    ]
    yield from table([*columns, "dollars a month"], rows)


def _plots(stored: Mapping[str, Any]) -> dict[str, str]:
    """By file name."""
    made: dict[str, str] = {}
    if "head_to_head" in stored:
        found = stored["head_to_head"]["found"]
        by_name = {name: rates.rate(each) for name, each in found.items() if rates.counted(each)}
        made["head_to_head"] = plots.bars("Sagas a second", Axis("sagas/s", logarithmic=True), by_name)
    if "sweep" in stored:
        for name, points in stored["sweep"]["found"].items():
            made |= growth.plots_of(name, points, _file("sweep", name).removeprefix("benchmarks/"))
    if "soak" in stored:
        samples = stored["soak"]["found"]["samples"]

        def over_time(title: str, unit: str, names: Mapping[str, str]) -> str:
            series = {
                shown: [(each["seconds"] / 60, each[name]) for each in samples]
                for name, shown in names.items()
            }
            return plots.lines(title, Axis("minutes"), Axis(unit), series)

        made["soak-latency"] = over_time("From HTTP to my page", "ms", {"p50_ms": "p50", "p99_ms": "p99"})
        made["soak-memory"] = over_time("Memory of the services' process", "MB", {"memory_mb": "memory"})
        dead = {"dead_rows": "dead, all tables", "dead_outbox_rows": "dead, outbox"}
        made["soak-rows"] = over_time("Rows that wait for vacuum", "rows", dead)
    return made


def _file(part: str, name: str) -> str:
    return f"benchmarks/{part}-{name.replace(' ', '-')}"


def _circumstances(measured: Mapping[str, Any]) -> str:
    commit = measured.get("commit", results.UNKNOWN)
    version = "of an unknown version" if commit == results.UNKNOWN else f"commit {commit}"
    return (
        f"*Measured on {measured['day']}, {version}: {measured['cores']} cores of {measured['processor']}, "
        f"{measured['memory_gb']} GB, Python {measured['python']}; "
        "services, Kafka, PostgreSQL and the load share them.*\n"
    )
