"""Contenders beside each other: one after another on the same servers, in turns, several times."""

import re
from dataclasses import asdict, dataclass, field, replace
from typing import Any

import asyncpg

from tests.benchmarks import rates
from tests.benchmarks.contenders import PEERS, Contender, Floor, Peer, ProductVariant
from tests.benchmarks.ground import Servers, fresh_run
from tests.benchmarks.product import VARIANTS, Product
from tests.benchmarks.steps import Steps
from tests.benchmarks.stopwatch import Result
from tests.benchmarks.workload import RunError

__all__ = ["FULL", "QUICK", "Entry", "Measured", "Sizes", "measure", "statements_per_saga"]

STATEMENT = re.compile(r"(?:execute [^:]*|statement): (.*)")
CONTROL = re.compile(r"(begin|commit|rollback|start transaction|set transaction)\b", re.IGNORECASE)
OURS = re.compile(r"select count\(\*\) from my_page|select pg_snapshot_xmax")
BEGINS, ENDS = "select 'benchmark begins'", "select 'benchmark ends'"


@dataclass(frozen=True)
class Entry:
    """A contender and how many orders it is given: so many that a run takes seconds, not less and not minutes."""

    contender: Contender
    sagas: int


@dataclass
class Measured:
    """All runs of a contender."""

    name: str
    sagas: int
    results: list[Result] = field(default_factory=list)
    statements: float | None = None

    @property
    def gate(self) -> list[str]:
        return [problem for result in self.results for problem in result.gate]

    @property
    def sagas_per_second(self) -> float:
        """The median of the runs that count; 0 when none does."""
        return rates.rate(self.to_json())

    def to_json(self) -> dict[str, Any]:
        return {**asdict(self), "gate": self.gate}


@dataclass(frozen=True)
class Sizes:
    """How many orders a run has, and which variants of the product run."""

    product: int
    floor: int
    peers: int
    variants: tuple[str, ...] = tuple(VARIANTS)
    counting: int = 0
    """How many orders the run has in which statements are counted; 0 for none."""

    def entries(self) -> list[Entry]:
        return [
            *(Entry(ProductVariant(Product(variant)), self.product) for variant in self.variants[:1]),
            Entry(Floor(), self.floor),
            *(Entry(ProductVariant(Product(variant)), self.product) for variant in self.variants[1:]),
            *(Entry(Peer(name), self.peers) for name in PEERS),
        ]


QUICK = Sizes(product=6_000, floor=12_000, peers=200, variants=("one process",))
FULL = Sizes(product=20_000, floor=30_000, peers=600, counting=5_000)


async def measure(servers: Servers, steps: Steps, sizes: Sizes, rounds: int) -> dict[str, Measured]:
    """Every contender `rounds` times, in turns, so that what the machine does meanwhile meets all of them alike: there
    and back, so that product and floor are always neighbours and neither is always the first.

    Before it, the first one runs once without being counted: Kafka and PostgreSQL have just started. Raises `RunError`
    when that one fails; what fails later stands among the contender's runs.
    """
    entries = sizes.entries()
    steps.expect(1 + rounds * len(entries) + (len(entries) if sizes.counting else 0))
    measured = {entry.contender.name: Measured(entry.contender.name, entry.sagas) for entry in entries}
    steps("warming up")
    _need_passed(await _once(servers, replace(entries[0], sagas=1_000)))
    for number in range(1, rounds + 1):
        for entry in entries if number % 2 else reversed(entries):
            steps(f"round {number} of {rounds}: {entry.contender.name}")
            measured[entry.contender.name].results.append(await _once(servers, entry))
    for entry in entries if sizes.counting else ():
        steps(f"counting statements: {entry.contender.name}")
        counted = replace(entry, sagas=min(entry.sagas, sizes.counting))
        of_it = measured[entry.contender.name]
        try:
            of_it.statements = await statements_per_saga(servers, counted)
        except RunError as exc:
            of_it.results.append(Result(0.0, gate=[str(exc)]))
    return measured


async def _once(servers: Servers, entry: Entry) -> Result:
    async with fresh_run(servers, entry.contender.databases) as run:
        return await entry.contender.measure(run, entry.sagas)


def _need_passed(result: Result) -> None:
    if result.gate:
        raise RunError("; ".join(result.gate))


async def statements_per_saga(servers: Servers, entry: Entry) -> float | None:
    """SQL statements of a run, as PostgreSQL logs them; without BEGIN and COMMIT. None where its log can't be read.

    Raises `RunError` when the run does not count.
    """
    if servers.log is None:
        return None
    start = servers.log.stat().st_size
    async with fresh_run(servers, entry.contender.databases) as run:
        connection = await asyncpg.connect(servers.postgresql)
        for name in entry.contender.databases:
            for setting in ("log_min_duration_statement = 0", "log_parameter_max_length = 0"):
                await connection.execute(f'alter database "{name}_{run.name}" set {setting}')
        await connection.close()
        _need_passed(await entry.contender.measure(run, entry.sagas))
    with servers.log.open(errors="replace") as log:
        log.seek(start)
        lines = log.read().splitlines()
    found = [match[1] for line in lines if (match := STATEMENT.search(line))]
    measured = found[found.index(BEGINS) + 1 : found.index(ENDS)]
    return len([each for each in measured if not CONTROL.match(each) and not OURS.match(each)]) / entry.sagas
