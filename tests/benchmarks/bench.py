"""`clinic bench`: measures the library on this machine, and writes down what it found.

Without an option: sagas a second beside the floor and the peers, latency, commands over HTTP, a record's CPU, and the
clinic under load. The results go to docs/benchmarks/results.json; docs/benchmarks.md and its plots are made from them.
"""

import asyncio
import json
import os
import signal
import sys
from collections.abc import Awaitable, Callable, Mapping, Sequence
from math import isfinite
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console

from clinic_lib.local.control_server import problems
from clinic_lib.local.errors import StackError
from tests.benchmarks import (
    clinic_load,
    files,
    head_to_head,
    http_commands,
    latency,
    page,
    per_record,
    results,
    soak,
    sweep,
)
from tests.benchmarks.contenders import PEERS, TROUBLE, peers_are_installed
from tests.benchmarks.ground import Servers, servers
from tests.benchmarks.head_to_head import FULL, QUICK, Measured
from tests.benchmarks.steps import Steps, showing
from tests.benchmarks.workload import RunError

__all__ = ["keep", "main", "need_counted", "need_writable"]

app = typer.Typer(add_completion=False, pretty_exceptions_enable=False)

ROUNDS = 5
ENDS_ON = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)

Part = Callable[[Servers, Steps], Awaitable[dict[str, Any]]]


def _finite(minutes: float | None) -> float | None:
    if minutes is not None and not isfinite(minutes):
        raise typer.BadParameter(f"{minutes} is not a number of minutes.")
    return minutes


@app.command()
def bench(
    *,
    quick: Annotated[
        bool, typer.Option("--quick", help="The head-to-head alone, small; writes nothing.")
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print it as JSON; with --quick.")] = False,
    growth: Annotated[bool, typer.Option("--sweep", help="How it grows, instead.")] = False,
    soaked: Annotated[
        float | None,
        typer.Option(
            "--soak",
            metavar="MINUTES",
            min=0.5,
            callback=_finite,
            help="So long at 80 % of capacity, instead.",
        ),
    ] = None,
    render: Annotated[bool, typer.Option("--render", help="Write the page from the stored results.")] = False,
    rounds: Annotated[
        int | None,
        typer.Option(
            min=1,
            help=f"How often each runs, otherwise {ROUNDS} times; alone or with --quick. Medians are told.",
        ),
    ] = None,
) -> None:
    """Measure the library on real Kafka and PostgreSQL: sagas a second, their cost and latency.

    Servers are started for it, or KAFKA_BOOTSTRAP_SERVERS and DATABASE_URL name some. `scripts/install peers`
    installs the libraries that it is compared with. On a busy machine the figures say little.
    """
    instead = (growth, soaked is not None, render)
    _need_consistent(instead, quick=quick, as_json=as_json, rounds=rounds)
    if not any(instead) and not peers_are_installed():
        raise StackError(
            "The libraries that we compare with are not installed, or not those of requirements/peers.lock: "
            "run scripts/install peers."
        )
    rounds = rounds or ROUNDS
    if quick:
        raise typer.Exit(
            _tell(_run(lambda on, steps: head_to_head.measure(on, steps, QUICK, rounds)), as_json=as_json)
        )
    stored = results.load()  # a file that can't be read is said before a quarter of an hour, not after it
    if render and not stored:
        raise StackError(f"There is nothing in {results.FOLDER} to render yet: run clinic bench.")
    need_writable()
    found, measured = {}, results.circumstances()  # the code may be changed while it is measured
    if growth:
        found = _run(sweep.measure)
    elif soaked is not None:
        found = _run(lambda on, steps: soak.measure(on, steps, soaked))
    elif not render:
        found = _run(lambda on, steps: _everything(on, steps, rounds))
    keep(found, measured=measured)


def _need_consistent(instead: Sequence[bool], *, quick: bool, as_json: bool, rounds: int | None) -> None:
    if sum((quick, *instead)) > 1:
        raise StackError("Say one of --quick, --sweep, --soak and --render.")
    if as_json and not quick:
        raise StackError("--json goes with --quick; the full results are in docs/benchmarks/results.json.")
    if rounds and any(instead):
        raise StackError(
            "--rounds goes with --quick or alone; the sweep has rounds of its own, a soak has none."
        )
    if quick and sys.stdout is None:
        raise StackError("There is no standard output to tell the figures on.")


def main(arguments: list[str]) -> int:
    """Runs the command. Raises `StackError` for what people can mend, and `SystemExit` with the exit code."""
    app(arguments, prog_name="clinic bench")
    return 0


def keep(
    found: dict[str, Any], folder: Path = results.FOLDER, measured: results.Circumstances | None = None
) -> None:
    """Store what was found and write the page. Raises `StackError` for runs that do not count, when it is written."""
    try:
        results.keep(found, folder, measured)
    except OSError as exc:
        raise StackError(f"The results can't be written, so nothing was: {exc}.") from exc
    try:
        page.write(folder)
    except OSError as exc:
        raise StackError(
            f"{folder / results.NAME} is written, but not its page with all plots: {exc}. "
            "When that is mended, `clinic bench --render` writes them."
        ) from exc
    Console(stderr=True).print(f"written: {folder.parent / page.PAGE.name}")
    if failed := _failures({name: each["gate"] for name, each in found.get("head_to_head", {}).items()}):
        raise StackError(f"Runs that do not count: {failed}")


def need_writable(folder: Path = results.FOLDER) -> None:
    """Raises `StackError` when `keep` would fail."""
    files.need_writable([folder / results.NAME, folder.parent / page.PAGE.name, *folder.glob("*.svg")])


def need_counted(measured: Mapping[str, Measured]) -> None:
    """Raises `RunError` when there is nothing to compare: no run counts of product, of floor, or of any peer."""
    for names in (("product",), ("floor",), tuple(PEERS)):
        if not any(measured[name].sagas_per_second for name in names):
            gates = {name: measured[name].gate for name in names}
            raise RunError(f"no run of {' or '.join(names)} counts: {_failures(gates)}")


def _failures(gates: Mapping[str, Sequence[str]]) -> str:
    return "; ".join(f"{name}: {problem}" for name, gate in gates.items() for problem in gate)


async def _everything(on: Servers, steps: Steps, rounds: int) -> dict[str, Any]:
    measured = await head_to_head.measure(on, steps, FULL, rounds)
    need_counted(measured)
    return {
        "head_to_head": {name: each.to_json() for name, each in measured.items()},
        **await latency.measure(on, steps, rounds),
        **await http_commands.measure(on, steps, rounds),
        **await per_record.measure(on, steps, rounds),
        **await clinic_load.measure(on, steps),
    }


def _tell(measured: dict[str, Measured], *, as_json: bool) -> int:
    """Print the head-to-head; answers with the exit code: 1 when a run does not count."""
    gate = _failures({name: each.gate for name, each in measured.items()})
    told = {
        "product": round(measured["product"].sagas_per_second),
        "floor": round(measured["floor"].sagas_per_second),
        "peers": {name: round(each.sagas_per_second) for name, each in measured.items() if name in PEERS},
        "gate": gate or "passed",
    }
    lines = [f"{name:<30}{each.sagas_per_second:>10,.0f} sagas/s" for name, each in measured.items()]
    _print(json.dumps(told) if as_json else "\n".join([*lines, f"gate: {told['gate']}"]))
    return int(bool(gate))


def _print(text: str) -> None:
    """Raises `StackError` when nobody can read it."""
    try:
        print(text, flush=True)
    except OSError as exc:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # Python tries once more when it ends
        raise StackError(f"The figures can't be told on standard output: {exc.strerror}.") from None


def _run(part: Any) -> Any:
    """Runs a part on servers that end with it, however it ends."""

    async def run() -> Any:
        task = asyncio.current_task()
        assert task

        def end() -> None:
            """Once: another signal would end the clearing up."""
            if not task.cancelling():
                typer.echo("Clearing up, which may take half a minute.", err=True)
                task.cancel()

        for number in ENDS_ON:
            asyncio.get_running_loop().add_signal_handler(number, end)
        with showing() as steps:
            async with servers() as on:
                return await part(on, steps)

    try:
        return asyncio.run(run())
    except asyncio.CancelledError:
        for number in ENDS_ON:
            signal.signal(number, signal.SIG_IGN)  # the process ends with its own sentence and exit code
        raise StackError("Ended before it was done; nothing was written.") from None
    except TROUBLE as exc:
        raise StackError(
            f"Ended before it was done, and nothing was written: {str(exc) or type(exc).__name__}."
        ) from exc
    except ExceptionGroup as group:
        if told := list(problems(group)):
            raise StackError("\n".join(told)) from None
        raise
