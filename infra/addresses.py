"""What a workload is told about the rest: where PostgreSQL and Kafka are, where images come from."""

from dataclasses import dataclass
from typing import Literal

import pulumi

from infra.settings import Images
from infra.systems import Service

__all__ = ["AUTHORITIES", "DatabaseAddress", "Foundation", "ImageSource", "KafkaAddress", "Peer"]


AUTHORITIES = "/etc/ssl/certs/ca-certificates.crt"
"""Whom the image's system trusts, those who sign for Azure among them. PGSSLROOTCERT tells the driver."""


@dataclass(frozen=True)
class Peer:
    """What the network rules let pass: a namespace, or addresses outside the cluster."""

    namespace: str | None = None
    cidr: str | None = None


@dataclass(frozen=True)
class DatabaseAddress:
    """The server; each service has a database and a user there, both with its name."""

    host: pulumi.Input[str]
    port: int
    administrator: str
    encrypted: bool
    """Then its certificate is checked too, by `AUTHORITIES`."""
    peer: Peer

    def url(self, database: str) -> pulumi.Output[str]:
        query = "?ssl=verify-full" if self.encrypted else ""
        return pulumi.Output.concat("postgresql://", self.host, f":{self.port}/{database}{query}")


@dataclass(frozen=True)
class KafkaAddress:
    """Where brokers listen. `ca` signed their certificates; without one they are spoken to in clear."""

    bootstrap_servers: pulumi.Input[str]
    protocol: Literal["SASL_SSL", "PLAINTEXT"]
    ports: tuple[int, ...]
    peer: Peer
    replication_factor: int
    ca: pulumi.Output[str] | None = None


@dataclass(frozen=True)
class ImageSource:
    """Where a service's image is."""

    registry: pulumi.Input[str] | None
    images: Images

    def of(self, service: Service) -> pulumi.Output[str]:
        digest = self.images.digests.get(service.image)
        version = f"@{digest}" if digest else f":{self.images.tag}"
        prefix = pulumi.Output.concat(self.registry, "/") if self.registry else pulumi.Output.from_input("")
        return pulumi.Output.concat(prefix, service.image, version)

    def is_pinned(self, service: Service) -> bool:
        return service.image in self.images.digests

    @property
    def can_be_pulled(self) -> bool:
        return self.registry is not None


@dataclass(frozen=True)
class Foundation:
    """What the platform stands on, be it Azure or any cluster."""

    provider: pulumi.ProviderResource
    storage_class: str
    disk_class: str | None
    image_registry: pulumi.Input[str] | None
    database: DatabaseAddress | None
    """None: a server inside the cluster."""
    outside: str = "LoadBalancer"
    """The type of Services that are reached from outside."""
    depends_on: tuple[pulumi.Resource, ...] = ()
