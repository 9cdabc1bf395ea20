"""Shared files: a storage account that only the network reaches, and the class that makes volumes in it."""

from dataclasses import dataclass

import pulumi
from pulumi_azure_native import network, privatedns, storage
from pulumi_kubernetes import storage as kubernetes_storage
from pulumi_kubernetes.meta.v1 import ObjectMetaArgs

from infra.box import Box
from infra.cloud.cluster import Cluster
from infra.cloud.resource_group import ResourceGroup
from infra.cloud.roles import Grant, GrantArgs, Role
from infra.cloud.settings import Azure
from infra.cloud.virtual_network import VirtualNetwork
from infra.names import APP_USER, PROJECT

__all__ = ["STORAGE_CLASS", "SharedFiles", "SharedFilesArgs"]

STORAGE_CLASS = "azurefile-private"
"""`azurefile` itself belongs to AKS, which puts it back whenever it differs."""
ZONE = "privatelink.file.core.windows.net"


@dataclass(frozen=True)
class SharedFilesArgs:
    group: ResourceGroup
    network: VirtualNetwork
    cluster: Cluster
    settings: Azure
    protect: bool


class SharedFiles(Box):
    """`storage_class` depends on all of it."""

    def __init__(self, args: SharedFilesArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("clinic:azure:SharedFiles", "shared-files", opts)
        child = self.child()
        group, stack = args.group, pulumi.get_stack()
        premium = args.settings.file_redundancy.startswith("Premium")
        account = storage.StorageAccount(
            "files",
            resource_group_name=group.name,
            account_name=f"{PROJECT}{stack}files{args.settings.suffix}",
            location=group.location,
            tags=group.tags,
            kind="FileStorage" if premium else "StorageV2",
            sku=storage.SkuArgs(name=args.settings.file_redundancy),
            allow_blob_public_access=False,
            enable_https_traffic_only=True,
            minimum_tls_version="TLS1_2",
            public_network_access="Disabled",
            network_rule_set=storage.NetworkRuleSetArgs(
                default_action=storage.DefaultAction.DENY, bypass="None"
            ),
            opts=self.child(protect=args.protect),
        )
        reached = _private_endpoint(args, account, child)
        role = Grant(
            "cluster-makes-shares",
            GrantArgs(
                Role.STORAGE_ACCOUNT_CONTRIBUTOR, args.cluster.identity, "ServicePrincipal", account.id
            ),
            opts=child,
        )
        self.storage_class = kubernetes_storage.v1.StorageClass(
            STORAGE_CLASS,
            metadata=ObjectMetaArgs(name=STORAGE_CLASS),
            provisioner="file.csi.azure.com",
            parameters={
                "resourceGroup": group.name,
                "storageAccount": account.name,
                "protocol": "smb",
            },
            # the share has no owners of its own: all of it belongs to the services' user
            mount_options=[
                "dir_mode=0770",
                "file_mode=0660",
                f"uid={APP_USER}",
                f"gid={APP_USER}",
                "mfsymlinks",
                "nosharesock",
                "actimeo=1",
            ],
            allow_volume_expansion=True,
            reclaim_policy="Retain",
            volume_binding_mode="Immediate",
            opts=pulumi.ResourceOptions.merge(
                self.child(reached, role), pulumi.ResourceOptions(provider=args.cluster.provider)
            ),
        )
        self.register_outputs({"storage_class": STORAGE_CLASS})


def _private_endpoint(
    args: SharedFilesArgs, account: storage.StorageAccount, opts: pulumi.ResourceOptions
) -> pulumi.Resource:
    group = args.group
    zone = privatedns.PrivateZone(
        "files-zone",
        resource_group_name=group.name,
        private_zone_name=ZONE,
        location="global",
        tags=group.tags,
        opts=opts,
    )
    privatedns.VirtualNetworkLink(
        "files-zone-in-network",
        resource_group_name=group.name,
        private_zone_name=zone.name,
        virtual_network_link_name="network",
        location="global",
        registration_enabled=False,
        virtual_network=privatedns.SubResourceArgs(id=args.network.id),
        opts=opts,
    )
    endpoint = network.PrivateEndpoint(
        "files-endpoint",
        resource_group_name=group.name,
        private_endpoint_name=f"pe-{PROJECT}-{pulumi.get_stack()}-files",
        location=group.location,
        tags=group.tags,
        subnet=network.SubnetArgs(id=args.network.endpoints),
        private_link_service_connections=[
            network.PrivateLinkServiceConnectionArgs(
                name="files", group_ids=["file"], private_link_service_id=account.id
            )
        ],
        opts=opts,
    )
    return network.PrivateDnsZoneGroup(
        "files-endpoint-name",
        resource_group_name=group.name,
        private_endpoint_name=endpoint.name,
        private_dns_zone_group_name="default",
        private_dns_zone_configs=[network.PrivateDnsZoneConfigArgs(name="file", private_dns_zone_id=zone.id)],
        opts=opts,
    )
