"""A panel: title, unit, what it asks, and from where on it turns red."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypeVar

from grafana_foundation_sdk.builders import common as common_builders
from grafana_foundation_sdk.builders import dashboard as dashboard_builders
from grafana_foundation_sdk.builders import prometheus, stat, table, timeseries
from grafana_foundation_sdk.models import common
from grafana_foundation_sdk.models import dashboard as dashboard_models
from grafana_foundation_sdk.models.dashboard import Panel as GrafanaPanel
from grafana_foundation_sdk.models.prometheus import PromQueryFormat

__all__ = ["DATASOURCE", "Ask", "Limit", "Panel", "figures", "graph", "listing"]

DATASOURCE = common.DataSourceRef(type_val="prometheus", uid="${datasource}")
GREEN, RED = "green", "red"
LETTERS = "ABCDEF"
Builder = TypeVar("Builder", timeseries.Panel, stat.Panel, table.Panel)


@dataclass(frozen=True)
class Ask:
    """One query. `legend` names each line by its labels, as in `{{service}}`."""

    expression: str
    legend: str
    exemplars: bool = False
    """Whether single requests are shown as dots, each a way to its trace."""


@dataclass(frozen=True)
class Limit:
    """Where good ends: above it, or `below` it."""

    value: float
    below: bool = False


@dataclass(frozen=True)
class Panel:
    """`width` is of 24 columns."""

    built: GrafanaPanel
    width: int
    height: int


def graph(
    title: str,
    unit: str,
    asks: Sequence[Ask],
    *,
    says: str,
    limit: Limit | None = None,
    width: int = 8,
) -> Panel:
    """Lines over time."""
    built = (
        timeseries.Panel()
        .line_width(1)
        .fill_opacity(10)
        .show_points(common.VisibilityMode.NEVER)
        .axis_soft_min(0)
        .legend(_legend())
        .tooltip(
            common_builders.VizTooltipOptions()
            .mode(common.TooltipDisplayMode.MULTI)
            .sort(common.SortOrder.DESCENDING)
        )
    )
    if limit is not None:
        dashed = common.GraphThresholdsStyleMode.DASHED
        built = built.thresholds_style(common_builders.GraphThresholdsStyleConfig().mode(dashed))
    return Panel(_described(built, title, unit, says, asks, limit).build(), width, 8)


def figures(
    title: str,
    unit: str,
    asks: Sequence[Ask],
    *,
    says: str,
    limit: Limit | None = None,
    width: int = 6,
) -> Panel:
    """The latest values, large."""
    built = (
        stat.Panel()
        .reduce_options(common_builders.ReduceDataOptions().calcs(["lastNotNull"]).values(False))
        .color_mode(common.BigValueColorMode.VALUE)
        .graph_mode(common.BigValueGraphMode.AREA)
        .text_mode(common.BigValueTextMode.VALUE_AND_NAME)
        .no_value("none")
    )
    return Panel(_described(built, title, unit, says, asks, limit).build(), width, 5)


def listing(title: str, unit: str, asks: Sequence[Ask], *, says: str, width: int = 12) -> Panel:
    """A line each, as of now."""
    built = table.Panel().show_header(True).no_value("none")
    described = _described(built, title, unit, says, asks, None)
    described = described.targets(
        [
            _target(ask, letter).instant().format(PromQueryFormat.TABLE)
            for ask, letter in zip(asks, LETTERS, strict=False)
        ]
    )
    merged = dashboard_models.DataTransformerConfig(id_val="merge", options={})
    return Panel(described.transformations([merged]).build(), width, 8)


def _described(
    built: Builder, title: str, unit: str, says: str, asks: Sequence[Ask], limit: Limit | None
) -> Builder:
    described = built.title(title).description(says).unit(unit).datasource(DATASOURCE)
    described = described.targets([_target(ask, letter) for ask, letter in zip(asks, LETTERS, strict=False)])
    return described.thresholds(_thresholds(limit))


def _target(ask: Ask, letter: str) -> prometheus.Dataquery:
    return (
        prometheus.Dataquery()
        .ref_id(letter)
        .datasource(DATASOURCE)
        .expr(ask.expression)
        .legend_format(ask.legend)
        .exemplar(ask.exemplars)
        .range()
    )


def _thresholds(limit: Limit | None) -> dashboard_builders.ThresholdsConfig:
    step = dashboard_models.Threshold
    good, bad = (RED, GREEN) if limit is not None and limit.below else (GREEN, RED)
    steps = [step(value=None, color=good)]
    if limit is not None:
        steps.append(step(value=limit.value, color=bad))
    return dashboard_builders.ThresholdsConfig().mode(dashboard_models.ThresholdsMode.ABSOLUTE).steps(steps)


def _legend() -> common_builders.VizLegendOptions:
    return (
        common_builders.VizLegendOptions()
        .display_mode(common.LegendDisplayMode.TABLE)
        .placement(common.LegendPlacement.BOTTOM)
        .show_legend(True)
        .calcs(["lastNotNull", "max"])
    )
