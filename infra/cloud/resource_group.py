"""The resource group: everything of a stack, its tags and its budget."""

from dataclasses import dataclass

import pulumi
from pulumi_azure_native import consumption, resources

from infra.box import Box
from infra.clock import first_of_month
from infra.cloud.settings import Azure
from infra.names import PROJECT

__all__ = ["ResourceGroup", "ResourceGroupArgs"]


@dataclass(frozen=True)
class ResourceGroupArgs:
    settings: Azure
    protect: bool


class ResourceGroup(Box):
    """`name`, `location` and `tags` are for what goes into it."""

    def __init__(self, args: ResourceGroupArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("clinic:azure:ResourceGroup", "resource-group", opts)
        stack = pulumi.get_stack()
        self.location = args.settings.location
        self.tags = {"project": PROJECT, "environment": stack, "managed-by": "pulumi"}
        group = resources.ResourceGroup(
            "resource-group",
            resource_group_name=f"rg-{PROJECT}-{stack}",
            location=self.location,
            tags=self.tags,
            opts=self.child(protect=args.protect),
        )
        self.name = group.name
        self.id = group.id
        consumption.Budget(
            "budget",
            budget_name=f"budget-{PROJECT}-{stack}",
            scope=group.id,
            amount=args.settings.budget_per_month,
            category=consumption.CategoryType.COST,
            time_grain=consumption.TimeGrainType.MONTHLY,
            time_period=consumption.BudgetTimePeriodArgs(start_date=first_of_month()),
            notifications={
                name: consumption.NotificationArgs(
                    enabled=True,
                    operator=consumption.OperatorType.GREATER_THAN,
                    threshold=percent,
                    threshold_type=kind,
                    contact_emails=list(args.settings.contacts),
                )
                for name, percent, kind in (
                    ("spent80", 80, consumption.ThresholdType.ACTUAL),
                    ("spent100", 100, consumption.ThresholdType.ACTUAL),
                    ("foreseen100", 100, consumption.ThresholdType.FORECASTED),
                )
            },
            # a budget may begin in no month that is over, and the one it began in soon is
            opts=self.child(ignore_changes=["timePeriod"]),
        )
        self.register_outputs({"name": group.name})
