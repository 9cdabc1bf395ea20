"""PostgreSQL by Azure: reached from the network alone, doubled over zones where the settings say so."""

from dataclasses import dataclass

import pulumi
from pulumi_azure_native import dbforpostgresql, privatedns

from infra.addresses import DatabaseAddress, Peer
from infra.box import Box
from infra.cloud.resource_group import ResourceGroup
from infra.cloud.settings import Azure
from infra.cloud.virtual_network import VirtualNetwork
from infra.names import PROJECT
from infra.versions import POSTGRESQL

__all__ = ["DatabaseServer", "DatabaseServerArgs"]

ADMINISTRATOR = "clinicadmin"


@dataclass(frozen=True)
class DatabaseServerArgs:
    group: ResourceGroup
    network: VirtualNetwork
    settings: Azure
    administrator_password: pulumi.Output[str]
    protect: bool


class DatabaseServer(Box):
    """`address` is for the services; databases and roles are made from inside the cluster."""

    def __init__(self, args: DatabaseServerArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("clinic:azure:DatabaseServer", "database-server", opts)
        child = self.child()
        group, wanted, stack = args.group, args.settings.database, pulumi.get_stack()
        zone = privatedns.PrivateZone(
            "database-zone",
            resource_group_name=group.name,
            private_zone_name=f"{PROJECT}-{stack}.private.postgres.database.azure.com",
            location="global",
            tags=group.tags,
            opts=child,
        )
        link = privatedns.VirtualNetworkLink(
            "database-zone-in-network",
            resource_group_name=group.name,
            private_zone_name=zone.name,
            virtual_network_link_name="network",
            location="global",
            registration_enabled=False,
            virtual_network=privatedns.SubResourceArgs(id=args.network.id),
            opts=child,
        )
        server = dbforpostgresql.Server(
            "database-server",
            resource_group_name=group.name,
            server_name=f"psql-{PROJECT}-{stack}{args.settings.suffix}",
            location=group.location,
            tags=group.tags,
            version=POSTGRESQL,
            sku=dbforpostgresql.SkuArgs(name=wanted.size, tier=wanted.tier),
            storage=dbforpostgresql.StorageArgs(storage_size_gb=wanted.storage_gib, auto_grow="Enabled"),
            administrator_login=ADMINISTRATOR,
            administrator_login_password=args.administrator_password,
            auth_config=dbforpostgresql.AuthConfigArgs(
                password_auth=dbforpostgresql.PasswordBasedAuth.ENABLED, active_directory_auth="Disabled"
            ),
            network=dbforpostgresql.NetworkArgs(
                delegated_subnet_resource_id=args.network.database,
                private_dns_zone_arm_resource_id=zone.id,
                public_network_access="Disabled",
            ),
            backup=dbforpostgresql.BackupArgs(
                backup_retention_days=wanted.backup_days,
                geo_redundant_backup="Disabled",
            ),
            high_availability=dbforpostgresql.HighAvailabilityArgs(
                mode="ZoneRedundant" if wanted.zone_redundant else "Disabled"
            ),
            opts=self.child(
                link,
                protect=args.protect,
                timeouts=pulumi.CustomTimeouts(create="40m", update="60m"),
                # auto-grow makes it larger than what is written here
                ignore_changes=["storage.storageSizeGB"],
            ),
        )
        # a saga's keys are advisory locks, each of them one entry; counts from the server's next start
        dbforpostgresql.Configuration(
            "database-locks",
            resource_group_name=group.name,
            server_name=server.name,
            configuration_name="max_locks_per_transaction",
            value="256",
            source="user-override",
            opts=child,
        )
        self.name = server.name
        self.address = DatabaseAddress(
            host=server.fully_qualified_domain_name,
            port=5432,
            administrator=ADMINISTRATOR,
            encrypted=True,
            peer=Peer(cidr=args.network.database_range),
        )
        self.register_outputs({"host": server.fully_qualified_domain_name})
