"""What `clinic status` shows."""

from typing import NotRequired, TypedDict

__all__ = ["Declared", "InfrastructureStatus", "ServiceStatus", "Status"]


class InfrastructureStatus(TypedDict):
    """Kafka, PostgreSQL, or what looks at the stack; `detail` says how a dead one ended, `url` where people look."""

    name: str
    pid: int | None
    state: str
    detail: str
    url: NotRequired[str]


class Declared(TypedDict):
    """What a service says of itself: types it handles, those of them only for views, and sagas it owns."""

    receives: list[str]
    projects: list[str]
    sagas: list[str]


class ServiceStatus(InfrastructureStatus):
    """A replica of a service; `declared` is None before it has served, and for a program of another kind."""

    port: int
    admin_port: int
    declared: Declared | None


class Status(TypedDict):
    """What runs, and how."""

    services: list[ServiceStatus]
    infrastructure: list[InfrastructureStatus]
