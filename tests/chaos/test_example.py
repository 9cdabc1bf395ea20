"""The example of docs/testing.md runs as it stands there."""

import re
from pathlib import Path

import pytest

from tests.chaos.test_plugin import ROOT, run_pytest

pytestmark = pytest.mark.timeout(200)


def test_the_example_runs(tmp_path: Path) -> None:
    (example,) = re.findall(r"```python\n(.*?)```", (ROOT / "docs" / "testing.md").read_text(), re.DOTALL)
    assert example.count("\n") <= 30
    file = tmp_path / "test_example_of_the_document.py"
    file.write_text(example)

    code, output = run_pytest(str(file), f"--config-file={ROOT / 'pyproject.toml'}")

    assert code == pytest.ExitCode.OK, output
