"""The alert on the mesh's root certificate."""

from infra.alerts.alert import Alert
from infra.alerts.pace import DAY, HOUR, REAL, Pace
from infra.queries import mesh

__all__ = ["ROOT_DAYS", "alerts"]

ROOT_DAYS = 60
"""Istio does not renew its own root, which it makes for ten years: two months are for planning it."""


def alerts(pace: Pace = REAL) -> list[Alert]:
    return [
        Alert(
            "MeshRootEnds",
            f"{mesh.root_ends()} < {pace.seconds(ROOT_DAYS * DAY):.0f}",
            "ticket",
            "the mesh's root certificate ends in {{ $value | humanizeDuration }}",
            "After that no service trusts another.",
            board="mesh",
            lasts=HOUR,
        )
    ]
