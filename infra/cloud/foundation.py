"""What the platform stands on in Azure."""

import pulumi

from infra.addresses import Foundation
from infra.cloud.cluster import Cluster, ClusterArgs
from infra.cloud.database_server import DatabaseServer, DatabaseServerArgs
from infra.cloud.key_vault import KeyVault, KeyVaultArgs
from infra.cloud.log_analytics import LogAnalytics, LogAnalyticsArgs
from infra.cloud.registry import Registry, RegistryArgs
from infra.cloud.resource_group import ResourceGroup, ResourceGroupArgs
from infra.cloud.shared_files import STORAGE_CLASS, SharedFiles, SharedFilesArgs
from infra.cloud.virtual_network import VirtualNetwork, VirtualNetworkArgs
from infra.passwords import Passwords
from infra.settings import Settings

__all__ = ["azure_foundation"]

DISK_CLASS = "managed-csi-premium"


def azure_foundation(settings: Settings, passwords: Passwords) -> Foundation:
    """Resource group, network, registry, cluster, database server, shared files and the key of the state."""
    azure, protect = settings.azure, settings.protect
    assert azure is not None
    group = ResourceGroup(ResourceGroupArgs(azure, protect))
    network = VirtualNetwork(VirtualNetworkArgs(group, azure))
    logs = LogAnalytics(LogAnalyticsArgs(group, azure))
    vault = KeyVault(KeyVaultArgs(group, azure))
    registry = Registry(RegistryArgs(group, azure, protect))
    cluster = Cluster(ClusterArgs(group, network, registry, logs, azure, protect))
    database = DatabaseServer(DatabaseServerArgs(group, network, azure, passwords.database_admin, protect))
    files = SharedFiles(SharedFilesArgs(group, network, cluster, azure, protect))
    pulumi.export("resourceGroup", group.name)
    pulumi.export("databaseServer", database.name)
    pulumi.export("registry", registry.host)
    pulumi.export("secretsProvider", vault.secrets_provider)
    pulumi.export("signingKey", vault.signing_key)
    return Foundation(
        provider=cluster.provider,
        storage_class=STORAGE_CLASS,
        disk_class=DISK_CLASS,
        image_registry=registry.host,
        database=database.address,
        depends_on=(files,),
    )
