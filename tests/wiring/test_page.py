"""docs/wiring.md tells of each rule there is, and of no other."""

import re
from typing import get_args

from clinic_lib.declarations import Rule
from tests.wiring.copies import ROOT

PAGE = (ROOT / "docs" / "wiring.md").read_text()
NOT_WAIVED = {"baseline-stale", "waiver-unused"}


def test_every_rule_is_in_the_table() -> None:
    table = re.findall(r"^\| \[`([\w-]+)`\]\(#", PAGE, re.MULTILINE)

    assert set(table) == {*get_args(Rule), *NOT_WAIVED}
    assert len(table) == len(set(table))


def test_every_rule_has_a_section_or_shares_one() -> None:
    titles = {name for title in re.findall(r"^###? (.+)$", PAGE, re.MULTILINE) for name in title.split(", ")}

    assert {*get_args(Rule), "baseline-stale"} <= titles


def test_every_link_within_the_page_leads_somewhere() -> None:
    anchors = {
        re.sub(r"[^\w -]", "", title).lower().replace(" ", "-")
        for title in re.findall(r"^#+ (.+)$", PAGE, re.MULTILINE)
    }

    assert {each for each in re.findall(r"\]\(#([\w-]+)\)", PAGE) if each not in anchors} == set()


def test_what_the_page_shows_of_a_run_is_what_is_said_now() -> None:
    assert "clinic: 4 services, 20 functions, 12 events, 1 waiver: no findings" in PAGE
    place = re.search(r"compensation-missing  (\S+):(\d+)", PAGE)

    assert place
    assert (ROOT / place[1]).read_text().splitlines()[int(place[2]) - 1].startswith("def reserve(")
