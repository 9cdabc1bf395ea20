"""What the code declares of its metrics is whole, and is what the page says."""

from pathlib import Path

import pytest
from prometheus_client import REGISTRY

from clinic_lib import metrics
from clinic_lib.metric import DECLARED, Declared, table

PAGE = Path(__file__).parents[2] / "docs" / "metrics.md"


def test_the_page_is_what_the_code_declares() -> None:
    assert metrics.__doc__
    assert PAGE.read_text() == table(), "run: python -m clinic_lib.metrics > docs/metrics.md"


@pytest.mark.parametrize("declared", DECLARED, ids=lambda each: each.name)
def test_a_metric_says_what_it_means_and_where_to_look(declared: Declared) -> None:
    assert declared.meaning.endswith(".")
    assert declared.look
    assert declared.unit
    assert declared.name.startswith("clinic_")
    assert declared.name.endswith("_total") is (declared.kind == "counter")
    assert (declared.unit == "s") is declared.name.endswith("_seconds")


def test_nothing_of_ours_is_exported_undeclared() -> None:
    exported = {family.name for family in REGISTRY.collect() if family.name.startswith("clinic_")}

    assert exported == {each.name.removesuffix("_total") for each in DECLARED}
