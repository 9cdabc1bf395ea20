"""The page of guarantees, and those on change and restore, name tests that exist."""

import ast
import re
from pathlib import Path

import pytest

TESTS = Path(__file__).parent
PAGES = [(TESTS.parent / "docs" / f"{name}.md").read_text() for name in ("guarantees", "change", "restore")]


def named() -> list[tuple[str, str]]:
    """File and test, as the pages name them: `::test_b` is of the file named last in its row or section."""
    found = []
    for part in (part for page in PAGES for part in re.split(r"\n#|\n\|", page)):
        file = ""
        for path, test in re.findall(r"`((?:\w+/)*\w+\.py)?(?:::(test_\w+))?`", part):
            file = path or file
            if test:
                found.append((file, test))
    return found


@pytest.mark.parametrize(("file", "test"), named())
def test_each_promise_is_proven_by_a_test_that_exists(file: str, test: str) -> None:
    tree = ast.parse((TESTS / file).read_text())

    assert test in {
        node.name for node in ast.walk(tree) if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
    }


def test_each_file_that_is_named_exists() -> None:
    files = {path for page in PAGES for path in re.findall(r"`((?:\w+/)+\w+\.py)", page)}

    assert [
        path for path in sorted(files) if not ((TESTS / path).exists() or (TESTS.parent / path).exists())
    ] == []


def test_every_module_of_the_library_is_in_the_picture_of_its_layers() -> None:
    page = (TESTS.parent / "docs" / "architecture.md").read_text().split("## Modules")[1]
    told = set(re.findall(r"`(\w+)`", page))
    modules = {path.stem for path in (TESTS.parent / "clinic_lib").iterdir() if path.suffix in ("", ".py")}

    assert {each for each in modules if not each.startswith("_")} - told == set()


def test_every_row_of_a_table_names_its_proof() -> None:
    rows = [line for line in PAGES[0].split("## Not promised")[0].splitlines() if line.startswith("| ")]

    assert [row for row in rows if "::test_" not in row and "proven by" not in row and ".py" not in row] == []
