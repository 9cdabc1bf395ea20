"""The alert on the PostgreSQL inside the cluster; Azure watches its own."""

from infra.alerts.alert import Alert
from infra.alerts.pace import MINUTE
from infra.queries import databases

__all__ = ["alerts"]


def alerts() -> list[Alert]:
    return [
        Alert(
            "PostgresqlDown",
            databases.lost(),
            "page",
            "PostgreSQL is not ready",
            "Every service answers commands and queries with 503 until it is back.",
            board="database",
            lasts=2 * MINUTE,
        )
    ]
