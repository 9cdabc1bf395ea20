"""A copy of the two systems' sources that a test may edit, and their wiring as it is there."""

import ast
import importlib
import re
import shutil
import sys
from collections.abc import Iterator
from contextlib import chdir, contextmanager
from pathlib import Path

from typer.testing import CliRunner, Result

from clinic_lib.cli import app
from clinic_lib.local.project import read_project
from clinic_lib.wiring.changes import baseline_of, read_baseline
from clinic_lib.wiring.checking import findings
from clinic_lib.wiring.choreography import Choreography
from clinic_lib.wiring.findings import Finding
from clinic_lib.wiring.manifest import Manifest
from clinic_lib.wiring.systems import load, manifest_of

__all__ = ["ROOT", "Copy", "statements"]

ROOT = Path(__file__).parents[2]


class Copy:
    """`services/`, `schemas/` and `pyproject.toml`, elsewhere."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        for name in ("services", "schemas"):
            shutil.copytree(ROOT / name, folder / name, ignore=shutil.ignore_patterns("__pycache__"))
        shutil.copy(ROOT / "pyproject.toml", folder)

    @contextmanager
    def edited(self, file: str, text: str) -> Iterator[None]:
        """With another text in a file, until the block ends."""
        path = self.folder / file
        before = path.read_text()
        path.write_text(text)
        try:
            yield
        finally:
            path.write_text(before)

    def manifest(self, system: str) -> Manifest:
        """Raises `LookError` when the sources can't be imported."""
        project = read_project(self.folder)
        assert project
        with _modules_of(self.folder):
            return manifest_of(system, load(project, system), self.folder)

    def findings(self, system: str) -> list[Finding]:
        """As `clinic check SYSTEM` has them."""
        manifest, path = self.manifest(system), f"schemas/{system}.json"
        baseline = read_baseline(self.folder / path)
        assert baseline
        return findings(Choreography([manifest]), manifest, baseline, path)

    def agree(self, system: str) -> None:
        """As `clinic check SYSTEM --write-baseline`."""
        (self.folder / "schemas" / f"{system}.json").write_text(baseline_of(self.manifest(system)).text())

    def run(self, *arguments: str) -> Result:
        """The command `clinic`, in this folder."""
        with _modules_of(self.folder), chdir(self.folder):
            return CliRunner().invoke(app, arguments)

    def statement_at(self, file: str, line: int) -> str:
        """The whole statement that begins there."""
        text = (self.folder / file).read_text()
        found = next(node for node in ast.parse(text).body if _first_line(node) == line)
        return ast.get_source_segment(text, found) or ""


def statements(text: str) -> list[str]:
    """The statements of a module, each as it stands there."""
    return [ast.get_source_segment(text, each) or "" for each in ast.parse(text).body]


def _first_line(node: ast.stmt) -> int:
    decorators = getattr(node, "decorator_list", [])
    return decorators[0].lineno if decorators else node.lineno


@contextmanager
def _modules_of(folder: Path) -> Iterator[None]:
    """The modules of `services` are those of `folder`; other tests' classes are there again afterwards."""
    own = {name: module for name, module in sys.modules.items() if re.match(r"services(\.|$)", name)}
    path, writes = [*sys.path], sys.dont_write_bytecode
    for name in own:
        del sys.modules[name]
    sys.path.insert(0, str(folder))
    sys.dont_write_bytecode = True  # two edits within a second may have one size
    importlib.invalidate_caches()
    try:
        yield
    finally:
        for name in [each for each in sys.modules if re.match(r"services(\.|$)", each)]:
            del sys.modules[name]
        sys.modules.update(own)
        sys.path[:] = path
        sys.dont_write_bytecode = writes
