"""The pytest plugin: its options, the fixture `chaos`, and what a failing test prints.

Every pytest run of a project that has clinic_lib installed loads this module: it imports the rest when a test
asks for `chaos`.
"""

import re
import shlex
from collections.abc import Generator, Iterator
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from clinic_lib.testing.chaos import Chaos

__all__ = ["chaos"]

ROUND = re.compile(r"-?seed(\d+)-?")


def pytest_addoption(parser: pytest.Parser) -> None:
    group = parser.getgroup("chaos", "chaos (clinic_lib.testing)")
    group.addoption("--chaos-seed", type=int, default=1, help="Draws the faults; 1 without it.")
    group.addoption(
        "--chaos-rounds", type=int, default=1, help="How many seeds, from --chaos-seed on, each test has."
    )
    group.addoption(
        "--chaos-seconds", type=float, help="How long each load lasts, instead of the test's own."
    )


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    rounds, seed = metafunc.config.option.chaos_rounds, metafunc.config.option.chaos_seed
    if "chaos" in metafunc.fixturenames and rounds > 1:
        seeds = range(seed, seed + rounds)
        metafunc.parametrize("chaos", seeds, ids=[f"seed{each}" for each in seeds], indirect=True)


@pytest.fixture
def chaos(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> "Iterator[Chaos]":
    """The run's seed, and systems to let suffer. What happened to them is kept in the run's folder."""
    from clinic_lib.testing.chaos import Chaos  # noqa: PLC0415 - see above

    options, folder = request.config.option, tmp_path_factory.mktemp("chaos")
    seed: int = getattr(request, "param", options.chaos_seed)
    given = Chaos(seed, project=request.config.rootpath, folder=folder, seconds=options.chaos_seconds)
    yield given
    (folder / "report.txt").write_text(given.report(_again(request.node, seed)))


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item, call: "pytest.CallInfo[None]"
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    report = yield
    given = getattr(item, "funcargs", {}).get("chaos")
    if report.failed and call.when == "call" and given is not None:
        report.sections.append(("chaos", given.report(_again(item, given.seed))))
    return report


def _again(item: pytest.Item, seed: int) -> str:
    node = ROUND.sub("", item.nodeid).replace("[]", "")
    command = ["pytest", node, f"--chaos-seed={seed}"]
    if (seconds := item.config.option.chaos_seconds) is not None:
        command.append(f"--chaos-seconds={seconds:g}")
    return shlex.join(command)
