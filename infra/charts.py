"""Helm charts of others, each with a version from `versions.py`, typed values and an end in time."""

from collections.abc import Mapping
from dataclasses import dataclass

import pulumi
from pulumi_kubernetes import helm

from infra.versions import Chart

__all__ = ["RESTRICTED", "Release", "ReleaseArgs"]

SECONDS = 600
RESTRICTED = {
    "allowPrivilegeEscalation": False,
    "readOnlyRootFilesystem": True,
    "runAsNonRoot": True,
    "capabilities": {"drop": ["ALL"]},
    "seccompProfile": {"type": "RuntimeDefault"},
}
"""The security context of an operator's container, said rather than left to the chart."""


@dataclass(frozen=True)
class ReleaseArgs:
    chart: Chart
    namespace: str
    values: Mapping[str, pulumi.Input[object]]
    release_name: str


class Release(helm.v3.Release):
    """A chart; what fails is rolled back."""

    def __init__(self, name: str, args: ReleaseArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        chart = args.chart
        super().__init__(
            name,
            name=args.release_name,
            chart=chart.name,
            version=chart.version,
            namespace=args.namespace,
            repository_opts=helm.v3.RepositoryOptsArgs(repo=chart.repository) if chart.repository else None,
            values=args.values,
            atomic=True,
            cleanup_on_fail=True,
            max_history=5,
            timeout=SECONDS,
            opts=opts,
        )
