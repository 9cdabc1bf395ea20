"""An alert: what is asked, how long it must last, who is told, and which page says what to do."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

from infra.alerts.pace import REAL, Pace
from infra.kinds.custom import spec_of
from infra.kinds.prometheus import AlertRule, RuleGroup

__all__ = ["RUNBOOKS", "Alert", "Severity", "group_of", "page_of"]

Severity = Literal["page", "ticket"]
"""`page` wakes somebody: users notice, or soon will. `ticket` can wait for the morning."""

RUNBOOKS = "docs/runbooks/"
"""Where the pages are; a stack's setting `runbooks` puts an address there."""


@dataclass(frozen=True)
class Alert:
    """`lasts` is in seconds; summary and description may use `{{ $labels.… }}` and `{{ $value }}`."""

    name: str
    expression: str
    severity: Severity
    summary: str
    description: str
    board: str
    """The uid of the dashboard that shows it."""
    lasts: float = 0
    labels: Mapping[str, str] = field(default_factory=dict[str, str])

    def rule(self, pace: Pace = REAL, runbooks: str = RUNBOOKS) -> AlertRule:
        """As Prometheus takes it."""
        return AlertRule(
            alert=self.name,
            expr=self.expression,
            for_=pace.span(self.lasts) if self.lasts else None,
            labels={"severity": self.severity, **self.labels},
            annotations={
                "summary": self.summary,
                "description": self.description,
                "runbook_url": f"{runbooks}{page_of(self.name)}",
                "dashboard": f"/d/{self.board}",
            },
        )


def page_of(alert: str) -> str:
    """`DeadLetterStored` is told on `dead-letter-stored.md`."""
    return re.sub(r"(?<!^)(?=[A-Z])", "-", alert).lower() + ".md"


def group_of(
    name: str, alerts: Sequence[Alert], pace: Pace = REAL, runbooks: str = RUNBOOKS
) -> dict[str, Any]:
    """A group of a rule file."""
    group: dict[str, Any] = spec_of(RuleGroup(name, [each.rule(pace, runbooks) for each in alerts]))
    return group
