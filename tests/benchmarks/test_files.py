"""Results, page and plots as files."""

import resource
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from clinic_lib.local.errors import StackError
from tests.benchmarks import bench, files, results
from tests.benchmarks.ground import PROJECT
from tests.benchmarks.test_bench import found_by_a_full_run

TELL = """
from clinic_lib.local.errors import StackError
from tests.benchmarks import bench
from tests.benchmarks.head_to_head import Measured
try:
    bench._tell({name: Measured(name, 9) for name in ("product", "floor")}, as_json=True)
except StackError as exc:
    raise SystemExit(str(exc))
"""


@contextmanager
def full_disk(after_bytes: int) -> Iterator[None]:
    """Files can't become larger."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (after_bytes, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


def test_a_file_that_does_not_fit_leaves_the_earlier_one(tmp_path: Path) -> None:
    path = tmp_path / "results.json"
    files.write(path, "earlier")

    with full_disk(1_000), pytest.raises(OSError, match="File too large"):
        files.write(path, "x" * 5_000)

    assert path.read_text() == "earlier"
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize("name", ["benchmarks.md", "benchmarks/results.json", "benchmarks/soak-rows.svg"])
def test_what_can_t_be_written_is_said_before_anything_is_measured(tmp_path: Path, name: str) -> None:
    folder = tmp_path / "benchmarks"
    folder.mkdir()
    bench.need_writable(folder)
    (tmp_path / name).mkdir()

    with pytest.raises(StackError, match=rf"/{name} can't be written \(Is a directory\)"):
        bench.need_writable(folder)


def test_a_full_disk_is_said_before_anything_is_measured_and_the_files_stay(tmp_path: Path) -> None:
    folder = tmp_path / "benchmarks"
    bench.need_writable(folder)
    (folder / "results.json").write_text("as it was")

    with full_disk(1_000), pytest.raises(StackError, match=r"can't be written \(File too large\)"):
        bench.need_writable(folder)

    assert (folder / "results.json").read_text() == "as it was"
    assert list(folder.iterdir()) == [folder / "results.json"]


def test_results_without_a_page_are_told(tmp_path: Path) -> None:
    (tmp_path / "benchmarks.md").mkdir()

    with pytest.raises(StackError, match=r"results\.json is written, but not its page .*benchmarks\.md"):
        bench.keep(found_by_a_full_run(), tmp_path / "benchmarks")

    assert results.load(tmp_path / "benchmarks")


def test_results_that_can_t_be_written_leave_the_page(tmp_path: Path) -> None:
    (tmp_path / "benchmarks").write_text("no folder")
    (tmp_path / "benchmarks.md").write_text("as it was")

    with pytest.raises(StackError, match="The results can't be written, so nothing was: "):
        bench.keep(found_by_a_full_run(), tmp_path / "benchmarks")

    assert (tmp_path / "benchmarks.md").read_text() == "as it was"


def test_figures_that_nobody_can_read_are_one_sentence() -> None:
    told = bash('"$0" -c "$1" >/dev/full', TELL)

    assert told.returncode == 1
    assert told.stderr == "The figures can't be told on standard output: No space left on device.\n"


def test_figures_without_a_standard_output_are_refused_at_once() -> None:
    told = bash('"$0" -m clinic_lib.cli bench --quick --json >&-')

    assert told.returncode == 1
    assert told.stderr == "There is no standard output to tell the figures on.\n"


def bash(script: str, *arguments: str) -> "subprocess.CompletedProcess[str]":
    """With this Python as `$0`."""
    command = ["bash", "-c", script, sys.executable, *arguments]
    return subprocess.run(command, cwd=PROJECT, capture_output=True, text=True, timeout=60, check=False)
