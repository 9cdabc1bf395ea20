"""What the platform stands on where a kubeconfig is all there is."""

from pathlib import Path

import pulumi_kubernetes as kubernetes

from infra.addresses import DatabaseAddress, Foundation, Peer
from infra.settings import Settings

__all__ = ["kubeconfig_foundation"]


def kubeconfig_foundation(settings: Settings) -> Foundation:
    """A provider for the cluster, and PostgreSQL where it is given by address."""
    cluster, postgresql = settings.kubeconfig, settings.postgresql
    assert cluster is not None
    assert postgresql is not None
    provider = kubernetes.Provider(
        "kubernetes",
        kubeconfig=str(Path(cluster.path).expanduser()) if cluster.path else None,
        context=cluster.context,
        cluster_identifier=cluster.identifier,
        enable_server_side_apply=True,
    )
    database = None
    if postgresql.host is not None:
        database = DatabaseAddress(
            host=postgresql.host,
            port=postgresql.port,
            administrator=postgresql.administrator,
            encrypted=False,
            peer=Peer(cidr=postgresql.address_range),
        )
    return Foundation(
        provider=provider,
        storage_class=cluster.storage_class,
        disk_class=cluster.disk_class,
        image_registry=settings.images.registry,
        database=database,
        outside=cluster.service_type,
    )
