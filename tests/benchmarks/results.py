"""The stored results: what was measured last, each part with the machine and the day."""

import json
import os
import platform
import re
import subprocess
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any, Generic, Literal, NotRequired, TypeVar

import psutil
from pydantic import AfterValidator, ConfigDict, Field, TypeAdapter, ValidationError, with_config
from typing_extensions import TypedDict

from clinic_lib.local.errors import StackError
from tests.benchmarks import files
from tests.benchmarks.ground import PROJECT
from tests.benchmarks.growth import Series

__all__ = ["FOLDER", "NAME", "UNKNOWN", "Circumstances", "circumstances", "keep", "load"]

FOLDER = PROJECT / "docs" / "benchmarks"
NAME = "results.json"

UNKNOWN = "unknown"
Found = TypeVar("Found")


exactly = with_config(ConfigDict(extra="forbid"))
"""Makes a field that nobody knows a mistake."""
MOST = 1e15  # beyond it, what the page computes would overflow
Amount = Annotated[float, Field(ge=0, le=MOST, allow_inf_nan=False)]
Positive = Annotated[float, Field(ge=1 / MOST, le=MOST, allow_inf_nan=False)]
"""What something is divided by, or a logarithm is taken of."""
Number = Annotated[int, Field(ge=1)]


@exactly
@dataclass(frozen=True)
class Circumstances:
    """Where and when a part was measured."""

    day: str
    cores: Number
    processor: str
    memory_gb: Number
    python: str
    commit: str = UNKNOWN
    """Of the measured code, short; with a mark when it had been changed since."""


@exactly
class Part(TypedDict, Generic[Found]):
    """A part of the results, of which each can be measured by itself."""

    measured: Circumstances
    found: Found


@exactly
class Run(TypedDict):
    """A `stopwatch.Result`."""

    sagas_per_second: Amount
    cpu: Amount
    postgresql_cpu: Amount
    kafka_cpu: Amount
    commits: Amount
    wal_bytes: Amount
    kafka_bytes: Amount
    seconds: NotRequired[Amount]
    gate: list[str]


def _with_a_rate_if_it_counts(run: Run) -> Run:
    if not run["gate"] and run["sagas_per_second"] < 1 / MOST:
        raise ValueError("a run that counts has 0 sagas/s")
    return run


@exactly
class Contender(TypedDict):
    """All runs of one, as `Measured.to_json` gives them."""

    name: str
    sagas: Number
    results: list[Annotated[Run, AfterValidator(_with_a_rate_if_it_counts)]]
    statements: Amount | None
    gate: list[str]


def _with_what_is_compared(found: dict[str, Contender]) -> dict[str, Contender]:
    for name in ("product", "floor"):
        if name not in found or all(run["gate"] for run in found[name]["results"]):
            raise ValueError(f"no run of {name} counts")
    return found


@exactly
class Percentiles(TypedDict):
    """Of requests, in milliseconds."""

    per_second: Positive
    p50_ms: Positive
    p99_ms: Positive
    requests: NotRequired[Amount]
    failures: NotRequired[Amount]


@exactly
class Clients(TypedDict):
    """Commands over HTTP: with many connections, and with one."""

    many: Percentiles
    one: Percentiles


@exactly
class Views(TypedDict):
    """From an order to my page, and of its request, in milliseconds."""

    rate: Amount
    p50_ms: Amount
    p99_ms: Amount
    http_p50_ms: Amount
    http_p99_ms: Amount
    watched: NotRequired[Amount]


@exactly
class Share(Views):
    """At a share of the capacity."""

    share: Amount
    rounds: Number


@exactly
class Latency(TypedDict):
    capacity: Amount
    at: Annotated[list[Share], Field(min_length=1)]


@exactly
class Commands(TypedDict):
    group: Clients
    each: Clients
    none: Clients


@exactly
class RecordCpu(TypedDict):
    cpu_us: Positive
    all: list[Amount]


@exactly
class RecordCpus(TypedDict):
    product: RecordCpu
    bare: RecordCpu


@exactly
class Point(Views):
    """Of a sweep: medians, and the runs behind them, which were once not kept."""

    value: Positive
    sagas_per_second: Positive
    throughputs: NotRequired[Annotated[list[Amount], Field(min_length=1)]]
    latencies: NotRequired[Annotated[list[Views], Field(min_length=1)]]


@exactly
class Sample(Views):
    """Of a soak."""

    seconds: Amount
    memory_mb: Amount
    dead_rows: Amount
    dead_outbox_rows: Amount
    vacuums: Amount
    outbox_mb: Amount
    inbox_mb: NotRequired[Amount]
    inbox_rows: NotRequired[Amount]


@exactly
class Soak(TypedDict):
    minutes: Positive
    rate: Amount
    samples: Annotated[list[Sample], Field(min_length=2)]


Requests = Literal["POST /receptions", "GET /diagnoses"]


@exactly
class Stored(TypedDict, total=False):
    """results.json: the shape of what the page is made from."""

    head_to_head: Part[Annotated[dict[str, Contender], AfterValidator(_with_what_is_compared)]]
    latency: Part[Latency]
    http_commands: Part[Commands]
    per_record: Part[RecordCpus]
    clinic: Part[dict[Requests, Percentiles]]
    sweep: Part[dict[Series, Annotated[list[Point], Field(min_length=1)]]]
    soak: Part[Soak]


STORED = TypeAdapter(Stored)


def keep(found: dict[str, Any], folder: Path = FOLDER, measured: Circumstances | None = None) -> None:
    """Put these parts in the place of earlier ones; `measured` is here and now unless it is said. Raises `OSError`."""
    folder.mkdir(exist_ok=True)
    measured = measured or circumstances()
    stored = load(folder)
    for part, value in found.items():
        stored[part] = {"measured": asdict(measured), "found": value}
    text = json.dumps(stored, indent=1) + "\n"
    STORED.validate_json(text, strict=True)
    files.write(folder / NAME, text)


def load(folder: Path = FOLDER) -> dict[str, Any]:
    """By part; nothing where nothing was measured yet. Raises `StackError` for a file that is not ours."""
    path = folder / NAME
    if not path.exists():
        return {}
    try:
        text = path.read_text()
        STORED.validate_json(text, strict=True)
    except ValidationError as exc:
        first = exc.errors(include_url=False)[0]
        raise _not_ours(
            path, ": ".join(filter(None, (".".join(map(str, first["loc"])), first["msg"])))
        ) from None
    except (OSError, UnicodeDecodeError) as exc:
        raise _not_ours(path, str(exc)) from None
    return dict(json.loads(text))


def _not_ours(path: Path, why: str) -> StackError:
    return StackError(
        f"{path} is not what clinic bench writes ({why}): take it back from git, or move it away."
    )


def circumstances() -> Circumstances:
    """Here and now."""
    return Circumstances(
        day=f"{datetime.now(UTC):%Y-%m-%d}",
        cores=os.cpu_count() or 1,
        processor=_processor(),
        memory_gb=round(psutil.virtual_memory().total / 2**30),
        python=platform.python_version(),
        commit=_commit(),
    )


def _commit() -> str:
    """The documents do not count: an earlier part of the same results may have changed them."""
    try:
        commit = _git("rev-parse", "--short", "HEAD")
        changed = _git("status", "--porcelain", "--untracked-files=no", "--", ".", ":(exclude)docs")
    except (OSError, subprocess.CalledProcessError):
        return UNKNOWN
    return f"{commit}, changed" if changed else commit


def _git(*arguments: str) -> str:
    command = ("git", "-C", str(PROJECT), *arguments)
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()


def _processor() -> str:
    path = Path("/proc/cpuinfo")
    found = re.search(r"model name\s*: (.*)", path.read_text()) if path.exists() else None
    return found[1].strip() if found else platform.processor() or platform.machine()
