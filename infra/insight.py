"""What is seen of a component: its dashboards, as ConfigMaps that Grafana's sidecar reads, and its alerts."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import pulumi
from pulumi_kubernetes import core
from pulumi_kubernetes.meta.v1 import ObjectMetaArgs

from infra.alerts.alert import Alert
from infra.box import Box
from infra.dashboards.board import Board
from infra.kinds.prometheus import PrometheusRule, PrometheusRuleSpec, RuleGroup

__all__ = ["DASHBOARD_LABEL", "FOLDER_ANNOTATION", "Insight", "InsightArgs", "ship"]

DASHBOARD_LABEL = "grafana_dashboard"
FOLDER_ANNOTATION = "grafana_folder"
FOLDER = "Clinic"
OURS = {"app.kubernetes.io/managed-by": "pulumi"}


@dataclass(frozen=True)
class InsightArgs:
    """`runbooks` is where the alerts' pages are."""

    name: str
    namespace: str
    runbooks: str
    boards: Sequence[Board] = ()
    alerts: Sequence[Alert] = ()
    labels: Mapping[str, str] = field(default_factory=lambda: OURS)


class Insight(Box):
    """Dashboards and alerts that belong to no single box."""

    def __init__(self, args: InsightArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("clinic:tools:Insight", f"{args.name}-insight", opts)
        ship(args, self.child())
        self.register_outputs({"dashboards": [board.uid for board in args.boards]})


def ship(args: InsightArgs, opts: pulumi.ResourceOptions) -> None:
    """As parts of the component that the options name. Its alerts need the kind PrometheusRule: wait for it."""
    for board in args.boards:
        _config_map(board, args, opts)
    if args.alerts:
        rules = [alert.rule(runbooks=args.runbooks) for alert in args.alerts]
        PrometheusRule(
            args.name,
            PrometheusRuleSpec(groups=[RuleGroup(args.name, rules)]),
            namespace=args.namespace,
            labels=args.labels,
            opts=opts,
        )


def _config_map(board: Board, args: InsightArgs, opts: pulumi.ResourceOptions) -> None:
    """Its name is given: of two ConfigMaps with one file, the end of the first would take the file from Grafana."""
    name = f"dashboard-{board.uid.replace('_', '-')}"
    core.v1.ConfigMap(
        f"{args.namespace}-{name}",
        metadata=ObjectMetaArgs(
            name=name,
            namespace=args.namespace,
            labels={**args.labels, DASHBOARD_LABEL: "1"},
            annotations={FOLDER_ANNOTATION: FOLDER},
        ),
        data={f"{board.uid}.json": board.json()},
        opts=opts,
    )
