"""The tables of docs/observability.md, from the code: `python -m infra.observability_page` writes them anew."""

import re
from collections.abc import Iterator

from infra.alerts.alert import Alert, page_of
from infra.alerts.pace import REAL
from infra.observe import all_alerts, all_boards
from infra.recording import ROOT
from infra.systems import SYSTEMS

__all__ = ["PAGE", "with_tables"]

PAGE = ROOT / "docs" / "observability.md"
RUNBOOKS = ROOT / "docs" / "runbooks"
TABLE = re.compile(r"(<!-- (dashboards|alerts) -->\n).*?(<!-- end -->)", re.DOTALL)
SERVICES = [service for system in SYSTEMS for service in system.services]


def with_tables(page: str) -> str:
    """The page with what the code says today in place of its tables."""
    tables = {"dashboards": _dashboards, "alerts": _alerts}
    return TABLE.sub(lambda found: "\n".join([found[1], *tables[found[2]](), "", found[3]]), page)


def _dashboards() -> Iterator[str]:
    """The services' are one line: they differ in the name alone."""
    yield "| dashboard | answers | panels |"
    yield "|---|---|---|"
    services = {service.board for service in SERVICES}
    shown = False
    for board in all_boards():
        panels = sum(len(row.panels) for row in board.rows)
        if board.uid not in services:
            yield f"| `{board.uid}` | {board.answers} | {panels} |"
        elif not shown:
            shown = True
            answers = board.answers.replace(SERVICES[0].label, "the service")
            yield f"| `service-NAME`, one for each of {len(services)} | {answers} | {panels} |"


def _alerts() -> Iterator[str]:
    """Those of one service stand for all services'."""
    yield "| alert | severity | lasts | of | when |"
    yield "|---|---|---|---|---|"
    labels = {service.label: service for service in SERVICES}
    for group, alerts in all_alerts().items():
        if group in labels and group != SERVICES[0].label:
            continue
        of = "each service" if group in labels else "all services" if group == "common" else group
        merged: dict[str, list[Alert]] = {}
        for alert in alerts:
            merged.setdefault(alert.name, []).append(alert)
        for name, same in merged.items():
            lasts = " or ".join(REAL.span(each.lasts) if each.lasts else "—" for each in same)
            yield (
                f"| [{name}](runbooks/{page_of(name)}) | {same[0].severity} | {lasts} | {of} | {_meaning(name)} |"
            )


def _meaning(alert: str) -> str:
    """The first sentence of its page."""
    text = (RUNBOOKS / page_of(alert)).read_text().partition("## What it means\n\n")[2]
    return re.split(r"(?<=[.:]) ", text.partition("\n")[0], maxsplit=1)[0].rstrip(":.") + "."


if __name__ == "__main__":
    PAGE.write_text(with_tables(PAGE.read_text()))
