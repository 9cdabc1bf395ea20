"""Where Azure's own logs go: a workspace with a limit a day."""

from dataclasses import dataclass

import pulumi
from pulumi_azure_native import operationalinsights

from infra.box import Box
from infra.cloud.resource_group import ResourceGroup
from infra.cloud.settings import Azure
from infra.names import PROJECT

__all__ = ["LogAnalytics", "LogAnalyticsArgs"]


@dataclass(frozen=True)
class LogAnalyticsArgs:
    group: ResourceGroup
    settings: Azure


class LogAnalytics(Box):
    """`id` is the workspace's."""

    def __init__(self, args: LogAnalyticsArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("clinic:azure:LogAnalytics", "logs-of-azure", opts)
        workspace = operationalinsights.Workspace(
            "workspace",
            resource_group_name=args.group.name,
            workspace_name=f"log-{PROJECT}-{pulumi.get_stack()}",
            location=args.group.location,
            tags=args.group.tags,
            sku=operationalinsights.WorkspaceSkuArgs(name="PerGB2018"),
            retention_in_days=args.settings.log_days,
            workspace_capping=operationalinsights.WorkspaceCappingArgs(
                daily_quota_gb=args.settings.log_gib_per_day
            ),
            opts=self.child(),
        )
        self.id = workspace.id
        self.register_outputs({"id": workspace.id})
