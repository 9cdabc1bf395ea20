"""What all services have in common, and is therefore seen in one place: the business, sagas, events, dead letters."""

from collections.abc import Sequence

from infra.alerts import events
from infra.dashboards import letters, outbox, overview, projections, sagas
from infra.insight import InsightArgs
from infra.names import TOOLS_NAMESPACE
from infra.systems import System

__all__ = ["common_insight"]


def common_insight(systems: Sequence[System], runbooks: str) -> InsightArgs:
    return InsightArgs(
        "common",
        TOOLS_NAMESPACE,
        runbooks,
        boards=[
            overview.board(systems),
            sagas.board(),
            outbox.board(),
            projections.board(),
            letters.board(),
        ],
        alerts=events.alerts(),
    )
