"""What docs/simulation.md shows runs as it stands there, and tells the story that is printed there."""

import re
from pathlib import Path
from typing import Any

import pytest

from clinic_lib.testing.errors import InvariantError

PAGE = (Path(__file__).parents[2] / "docs" / "simulation.md").read_text()


@pytest.fixture(scope="module")
def shown() -> dict[str, Any]:
    """All names of the page's code."""
    names: dict[str, Any] = {"__name__": "docs.simulation"}
    exec("\n".join(re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL)), names)
    return names


@pytest.mark.parametrize("name", re.findall(r"^def (test_\w+)\(\)", PAGE, re.MULTILINE))
def test_the_page_s_tests_pass_and_its_story_is_told(name: str, shown: dict[str, Any]) -> None:
    (story,) = re.findall(r"```text\n(.*?)```", PAGE, re.DOTALL)
    if name == "test_a_missing_compensation_is_found":
        with pytest.raises(InvariantError) as broken:
            shown[name]()
        assert f"{broken.value}\n" == story
    else:
        shown[name]()


def test_own_sql_runs_on_postgresql(shown: dict[str, Any], postgresql_url: str) -> None:
    shown["test_own_sql"](postgresql_url)


def test_the_first_example_has_ten_lines_of_its_own() -> None:
    first = re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL)[0]
    body = first.split("def test_an_order")[1]

    assert len([line for line in body.splitlines()[1:] if line]) <= 10
