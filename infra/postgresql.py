"""PostgreSQL as the services see it: a server of ours or a given one, and a database for each service."""

from collections.abc import Sequence
from dataclasses import dataclass

import pulumi

from infra.addresses import DatabaseAddress, ImageSource
from infra.alerts import postgresql as postgresql_alerts
from infra.box import Box
from infra.dashboards import database as database_dashboard
from infra.databases import Databases, DatabasesArgs
from infra.insight import InsightArgs
from infra.names import POSTGRESQL_NAMESPACE
from infra.namespaces import Namespace, NamespaceArgs
from infra.passwords import Passwords
from infra.postgresql_server import PostgresqlServer, PostgresqlServerArgs
from infra.settings import Settings
from infra.systems import System
from infra.workload import image_waivers, pull_policy

__all__ = ["Postgresql", "PostgresqlArgs"]


@dataclass(frozen=True)
class PostgresqlArgs:
    """`given` is the server where there is one already."""

    given: DatabaseAddress | None
    settings: Settings
    systems: Sequence[System]
    passwords: Passwords
    images: ImageSource
    disk_class: str | None


class Postgresql(Box):
    """`address` is for the services; who depends on this waits for the databases."""

    def __init__(self, args: PostgresqlArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("clinic:postgresql:Postgresql", "postgresql-box", opts)
        namespace = Namespace(
            NamespaceArgs(POSTGRESQL_NAMESPACE, protect=args.settings.protect),
            self.child(),
        )
        servers = [] if args.given else [self._server(args, namespace)]
        self.address = args.given or servers[0].address
        self._is_ours = bool(servers)
        stored = [each for system in args.systems for each in system.services if each.database]
        Databases(
            DatabasesArgs(
                address=self.address,
                administrator_password=args.passwords.database_admin,
                passwords={each.name: args.passwords.database[each.kubernetes_name] for each in stored},
                image=args.images.of(stored[0]),
                waivers=image_waivers(args.images, stored[0]),
                pull_policy=pull_policy(args.images),
            ),
            self.child(namespace, *servers),
        )
        self.register_outputs({"host": self.address.host})

    def insight(self, runbooks: str) -> InsightArgs:
        """What is seen of it; a server that is not ours is watched by who runs it."""
        return InsightArgs(
            "postgresql",
            POSTGRESQL_NAMESPACE,
            runbooks,
            boards=[database_dashboard.board(in_the_cluster=self._is_ours)],
            alerts=postgresql_alerts.alerts() if self._is_ours else [],
        )

    def _server(self, args: PostgresqlArgs, namespace: Namespace) -> PostgresqlServer:
        assert args.settings.postgresql is not None
        return PostgresqlServer(
            PostgresqlServerArgs(
                settings=args.settings.postgresql,
                administrator_password=args.passwords.database_admin,
                clients=[system.namespace for system in args.systems],
                disk_class=args.disk_class,
                protect=args.settings.protect,
            ),
            self.child(namespace),
        )
