"""The network: one for all, with subnets for nodes, the database and private endpoints."""

from dataclasses import dataclass
from ipaddress import ip_network

import pulumi
from pulumi_azure_native import network

from infra.box import Box
from infra.cloud.resource_group import ResourceGroup
from infra.cloud.settings import Azure
from infra.names import PROJECT

__all__ = ["VirtualNetwork", "VirtualNetworkArgs"]


@dataclass(frozen=True)
class VirtualNetworkArgs:
    group: ResourceGroup
    settings: Azure


class VirtualNetwork(Box):
    """`nodes`, `database` and `endpoints` are the subnets' ids, `database_range` the addresses of one of them."""

    def __init__(self, args: VirtualNetworkArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("clinic:azure:VirtualNetwork", "network", opts)
        child = self.child()
        group = args.group
        ranges = ip_network(args.settings.address_space).subnets(new_prefix=20)
        nodes_range, database_range, endpoints_range = (str(next(ranges)) for _ in range(3))
        self.database_range = database_range
        vnet = network.VirtualNetwork(
            "network",
            resource_group_name=group.name,
            virtual_network_name=f"vnet-{PROJECT}-{pulumi.get_stack()}",
            location=group.location,
            tags=group.tags,
            address_space=network.AddressSpaceArgs(address_prefixes=[args.settings.address_space]),
            opts=self.child(ignore_changes=["subnets"]),
        )
        closed = network.NetworkSecurityGroup(
            "network-rules",
            resource_group_name=group.name,
            network_security_group_name=f"nsg-{PROJECT}-{pulumi.get_stack()}",
            location=group.location,
            tags=group.tags,
            security_rules=[
                network.SecurityRuleArgs(
                    name="database-from-nodes",
                    priority=100,
                    direction="Inbound",
                    access="Allow",
                    protocol="Tcp",
                    source_address_prefix=nodes_range,
                    source_port_range="*",
                    destination_address_prefix=database_range,
                    destination_port_range="5432",
                ),
                network.SecurityRuleArgs(
                    name="nobody-from-the-internet",
                    priority=4000,
                    direction="Inbound",
                    access="Deny",
                    protocol="*",
                    source_address_prefix="Internet",
                    source_port_range="*",
                    destination_address_prefix="*",
                    destination_port_range="*",
                ),
            ],
            opts=child,
        )
        nodes = network.Subnet(
            "subnet-nodes",
            resource_group_name=group.name,
            virtual_network_name=vnet.name,
            subnet_name="nodes",
            address_prefix=nodes_range,
            opts=child,
        )
        # Azure changes the subnets of a network one after another
        database = network.Subnet(
            "subnet-database",
            resource_group_name=group.name,
            virtual_network_name=vnet.name,
            subnet_name="database",
            address_prefix=database_range,
            network_security_group=network.NetworkSecurityGroupArgs(id=closed.id),
            delegations=[
                network.DelegationArgs(
                    name="postgresql", service_name="Microsoft.DBforPostgreSQL/flexibleServers"
                )
            ],
            opts=self.child(nodes),
        )
        endpoints = network.Subnet(
            "subnet-endpoints",
            resource_group_name=group.name,
            virtual_network_name=vnet.name,
            subnet_name="endpoints",
            address_prefix=endpoints_range,
            network_security_group=network.NetworkSecurityGroupArgs(id=closed.id),
            opts=self.child(database),
        )
        self.id = vnet.id
        self.nodes, self.database, self.endpoints = nodes.id, database.id, endpoints.id
        self.register_outputs({"id": vnet.id})
