"""A dashboard: rows of panels, placed so that none covers another, with links to where one looks next."""

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote

from grafana_foundation_sdk.builders import dashboard as builders
from grafana_foundation_sdk.cog.encoder import JSONEncoder
from grafana_foundation_sdk.models import dashboard as models

from infra.dashboards.panel import DATASOURCE, Panel

__all__ = ["JAEGER", "LOKI", "TAG", "Board", "Link", "Row", "Variable", "explore"]

TAG = "clinic"
COLUMNS = 24
JAEGER, LOKI = "jaeger", "loki"
"""The uids of the data sources, wherever Grafana runs."""


@dataclass(frozen=True)
class Row:
    """Panels side by side; what does not fit goes on the next line."""

    title: str
    panels: Sequence[Panel]


@dataclass(frozen=True)
class Variable:
    """Something to choose: the values of `label` on `metric`. With `several`, all are chosen at first."""

    name: str
    metric: str
    label: str
    several: bool = True
    first: str = ""
    """What is chosen at first, where only one can be."""


@dataclass(frozen=True)
class Link:
    title: str
    url: str


@dataclass(frozen=True)
class Board:
    """`answers` is the question that it is looked at for; `owner` is the module that it belongs to."""

    uid: str
    title: str
    answers: str
    owner: str
    rows: Sequence[Row]
    variables: Sequence[Variable] = ()
    links: Sequence[Link] = ()

    def json(self) -> str:
        """As Grafana loads it."""
        return JSONEncoder(sort_keys=True, indent=1).encode(self._built())

    def content(self) -> dict[str, Any]:
        content: dict[str, Any] = json.loads(self.json())
        return content

    def _built(self) -> models.Dashboard:
        built = (
            builders.Dashboard(self.title)
            .uid(self.uid)
            .description(self.answers)
            .tags([TAG])
            .readonly()
            .tooltip(models.DashboardCursorSync.CROSSHAIR)
            .refresh("30s")
            .time("now-1h", "now")
            .timezone("browser")
            .with_variable(builders.DatasourceVariable("datasource").label("Prometheus").type("prometheus"))
        )
        for variable in self.variables:
            built = built.with_variable(_variable(variable))
        built = built.link(_to_all())
        for link in self.links:
            built = built.link(_to(link))
        dashboard = built.build()
        dashboard.panels = list(_placed(self.rows))
        return dashboard


def explore(datasource: str, query: dict[str, Any]) -> str:
    """Where Grafana's own page for free questions asks this one."""
    reference = {"type": datasource, "uid": datasource}
    pane = {
        "datasource": datasource,
        "queries": [{"refId": "A", "datasource": reference, **query}],
        "range": {"from": "now-1h", "to": "now"},
    }
    return f"/explore?schemaVersion=1&panes={quote(json.dumps({'a': pane}, separators=(',', ':')))}"


def _placed(rows: Sequence[Row]) -> Iterator[models.Panel | models.RowPanel]:
    """Left to right, top to bottom; a line is as high as its highest panel."""
    number, top = 0, 0
    for row in rows:
        number += 1
        yield models.RowPanel(
            title=row.title,
            id_val=number,
            collapsed=False,
            panels=[],
            grid_pos=models.GridPos(h=1, w=COLUMNS, x=0, y=top),
        )
        top += 1
        left = height = 0
        for panel in row.panels:
            if left + panel.width > COLUMNS:
                left, top, height = 0, top + height, 0
            number += 1
            panel.built.id_val = number
            panel.built.grid_pos = models.GridPos(h=panel.height, w=panel.width, x=left, y=top)
            yield panel.built
            left, height = left + panel.width, max(height, panel.height)
        top += height


def _variable(variable: Variable) -> builders.QueryVariable:
    built = (
        builders.QueryVariable(variable.name)
        .label(variable.name.capitalize())
        .datasource(DATASOURCE)
        .query(f"label_values({variable.metric}, {variable.label})")
        .refresh(models.VariableRefresh.ON_TIME_RANGE_CHANGED)
        .sort(models.VariableSort.ALPHABETICAL_ASC)
    )
    if variable.several:
        everything = models.VariableOption(selected=True, text="All", value="$__all")
        return built.multi(True).include_all(True).all_value(".*").current(everything)
    return built.current(models.VariableOption(selected=True, text=variable.first, value=variable.first))


def _to_all() -> builders.DashboardLink:
    kind = models.DashboardLinkType.DASHBOARDS
    return builders.DashboardLink("Dashboards").type(kind).tags([TAG]).as_dropdown(True).keep_time(True)


def _to(link: Link) -> builders.DashboardLink:
    kind = models.DashboardLinkType.LINK
    return builders.DashboardLink(link.title).type(kind).url(link.url).icon("external link")
