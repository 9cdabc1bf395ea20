"""What is fetched or built once per machine is there whole, or not at all."""

from pathlib import Path

import pytest

from clinic_lib.local import once
from clinic_lib.local.errors import StackError


def make(target: Path, text: str) -> None:
    with once.made(target) as work:
        (work / once.COMPLETE).mkdir()
        (work / once.COMPLETE / "file").write_text(text)


def test_it_takes_its_name_when_it_is_whole(tmp_path: Path) -> None:
    target = tmp_path / "cache" / "program"

    make(target, "whole")

    assert (target / "file").read_text() == "whole"
    assert list(target.parent.iterdir()) == [target]


def test_an_end_in_the_middle_leaves_nothing(tmp_path: Path) -> None:
    target = tmp_path / "program"

    with pytest.raises(UnicodeEncodeError):
        make(target, "\ud800")

    assert list(tmp_path.iterdir()) == []


def test_of_two_at_once_the_faster_one_s_stays(tmp_path: Path) -> None:
    target = tmp_path / "program"

    with once.made(target) as work:
        (work / once.COMPLETE).mkdir()
        (work / once.COMPLETE / "file").write_text("slower")
        make(target, "faster")

    assert (target / "file").read_text() == "faster"
    assert list(tmp_path.iterdir()) == [target]


async def test_what_its_process_complains_of_last_is_the_error() -> None:
    with pytest.raises(StackError, match=r"No module named nowhere$"):
        await once.run("nowhere", print)
