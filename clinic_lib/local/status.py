"""What `clinic status` shows."""

from typing import TypedDict

__all__ = ["InfrastructureStatus", "ServiceStatus", "Status"]


class InfrastructureStatus(TypedDict):
    """Kafka or PostgreSQL; `detail` says how a dead one ended."""

    name: str
    pid: int | None
    state: str
    detail: str


class ServiceStatus(InfrastructureStatus):
    """A replica of a service."""

    port: int


class Status(TypedDict):
    """What runs, and how."""

    services: list[ServiceStatus]
    infrastructure: list[InfrastructureStatus]
