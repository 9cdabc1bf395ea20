"""The table of services: what each one is, and all that the platform derives from it.

Routes, topics, ACLs, probes, network rules, authorization, scaling and alerts come from these rows. The tests
hold the table against the services' code, which this package never imports.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field

__all__ = [
    "ADMIN_PORT",
    "PUBLIC_PORT",
    "SYSTEMS",
    "Objective",
    "Resources",
    "Scaling",
    "Service",
    "System",
    "Volume",
]

PUBLIC_PORT = 8080
ADMIN_PORT = 9080


@dataclass(frozen=True)
class Scaling:
    """Pods are added while the container's mean CPU is over `cpu_percent` of what it requests."""

    smallest: int = 1
    largest: int = 3
    cpu_percent: int = 20


@dataclass(frozen=True)
class Resources:
    """What a container is given (requests) and may take at most (limits)."""

    cpu: str = "200m"
    memory: str = "192Mi"
    cpu_limit: str = "1"
    memory_limit: str = "384Mi"


@dataclass(frozen=True)
class Objective:
    """What is promised over 30 days: the share of requests without a 5xx, and how long 99 of 100 take at most."""

    availability_percent: float
    seconds_p99: float


@dataclass(frozen=True)
class Volume:
    """A folder that all replicas share."""

    size: str = "1Gi"
    path: str = "/mnt/data"


@dataclass(frozen=True)
class Service:
    """One service. `name` is the program's; `kubernetes_name` is the same with hyphens."""

    name: str
    app: str
    objective: Objective | None
    routes: tuple[str, ...] = ()
    reads: tuple[str, ...] = ()
    writes: tuple[str, ...] = ()
    calls: tuple[str, ...] = ()
    database: bool = True
    scaling: Scaling = field(default=Scaling())
    resources: Resources = field(default=Resources())
    volume: Volume | None = None
    local_name: str = ""
    """The name in the local stack, where both systems share a machine; `name` unless given."""

    @property
    def kubernetes_name(self) -> str:
        return self.name.replace("_", "-")

    @property
    def image(self) -> str:
        """The image's name, which both systems share a registry with."""
        return (self.local_name or self.name).replace("_", "-")

    @property
    def label(self) -> str:
        """What its metrics call it: no two services share it, of whichever system."""
        return self.local_name or self.name

    @property
    def board(self) -> str:
        """The uid of its dashboard."""
        return f"service-{self.label}"

    @property
    def topics(self) -> tuple[str, ...]:
        return tuple(sorted({*self.reads, *self.writes}))

    @property
    def probed_path(self) -> str:
        """What readiness asks for on the public port: the service's own collection."""
        return self.routes[0]


@dataclass(frozen=True)
class System:
    """Services that share a namespace, a topic and an entrance. The last one is the gateway."""

    name: str
    namespace: str
    topic: str
    services: tuple[Service, ...]

    def service(self, name: str) -> Service:
        return next(each for each in self.services if each.name == name)

    def callers(self, service: Service) -> Iterator[Service]:
        return (each for each in self.services if service.name in each.calls)

    @property
    def gateway(self) -> Service:
        return self.services[-1]


PROMISE = Objective(availability_percent=99.9, seconds_p99=0.5)

CLINIC = System(
    name="clinic",
    namespace="medical",
    topic="clinic",
    services=(
        Service(
            "reception",
            "services.clinic.reception.app:app",
            PROMISE,
            routes=("/receptions",),
            reads=("clinic",),
            writes=("clinic",),
        ),
        Service(
            "diagnosis",
            "services.clinic.diagnosis.app:app",
            PROMISE,
            routes=("/diagnoses",),
            reads=("clinic",),
            writes=("clinic",),
            volume=Volume(),
        ),
        Service(
            "examination",
            "services.clinic.examination.app:app",
            PROMISE,
            routes=("/examinations",),
            reads=("clinic",),
            writes=("clinic",),
        ),
        Service(
            "patient_management",
            "services.clinic.patient_management.app:app",
            PROMISE,
            routes=("/patientManagements",),
            reads=("clinic",),
            writes=("clinic",),  # that it is stuck, when a projection fails
        ),
        Service(
            "gateway",
            "services.gateway.app:app",
            PROMISE,
            calls=("reception", "diagnosis", "examination", "patient_management"),
            database=False,
        ),
    ),
)

RESERVATION = System(
    name="reservation",
    namespace="reservation",
    topic="reservation",
    services=(
        Service(
            "order",
            "services.reservation.order.app:app",
            PROMISE,
            routes=("/orders",),
            reads=("reservation",),
            writes=("reservation",),
        ),
        Service(
            "seat",
            "services.reservation.seat.app:app",
            PROMISE,
            routes=("/seats",),
            reads=("reservation",),
            writes=("reservation",),
            volume=Volume(),
        ),
        Service(
            "my_page",
            "services.reservation.my_page.app:app",
            PROMISE,
            routes=("/myPages",),
            reads=("reservation",),
            writes=("reservation",),  # that it is stuck, when a projection fails
        ),
        Service(
            "gateway",
            "services.gateway.app:app",
            PROMISE,
            calls=("order", "seat", "my_page"),
            database=False,
            local_name="reservation_gateway",
        ),
    ),
)

SYSTEMS = (CLINIC, RESERVATION)
