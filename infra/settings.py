"""A stack's settings: read from its file, checked as a whole before the first resource is made.

Nothing here has a secret in it: those come from `passwords.py`. A wrong value is one sentence that names it.
"""

import json
from typing import Annotated, Literal, Self

import pulumi
from pulumi.runtime import config as pulumi_config
from pydantic import BaseModel, ConfigDict, Field, StringConstraints, ValidationError, model_validator
from pydantic.alias_generators import to_camel

from infra.alerts.alert import RUNBOOKS
from infra.systems import SYSTEMS

__all__ = [
    "PROJECT",
    "Azure",
    "Exposed",
    "Images",
    "Kafka",
    "Kubeconfig",
    "Observability",
    "Postgresql",
    "Settings",
    "SettingsError",
    "Workloads",
]

PROJECT = "clinic"
SECRETS = (
    "databaseAdminPassword",
    "databasePassword-",
    "kafkaPassword-",
    "adminToken",
    "grafanaPassword",
    "alertWebhook-",
)
"""Keys of `passwords.py`, by how they begin; they are no settings."""

Cidr = Annotated[str, StringConstraints(pattern=r"^(\d{1,3}\.){3}\d{1,3}/\d{1,2}$")]
Guid = Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$")]
VmSize = Annotated[str, StringConstraints(pattern=r"^Standard_[A-Z]\w+$")]
Quantity = Annotated[str, StringConstraints(pattern=r"^\d+(Mi|Gi|Ti)$")]
Digest = Annotated[str, StringConstraints(pattern=r"^sha256:[0-9a-f]{64}$")]
Zones = tuple[Literal["1", "2", "3"], ...]


class SettingsError(Exception):
    """A stack's file is wrong; the message is one sentence that names what."""


class Section(BaseModel):
    """Frozen, camelCase in the file, and closed: a key that nobody reads is a mistake."""

    model_config = ConfigDict(frozen=True, extra="forbid", alias_generator=to_camel)


class NodePool(Section):
    """Nodes of one size; the autoscaler keeps their number between the two."""

    size: VmSize
    smallest: int = Field(ge=1, le=100)
    largest: int = Field(ge=1, le=100)
    cores: int = Field(ge=2, le=128)
    memory_gib: int = Field(ge=4, le=1024)

    @model_validator(mode="after")
    def _in_order(self) -> Self:
        if self.largest < self.smallest:
            raise ValueError(f"largest is {self.largest}, less than smallest, {self.smallest}")
        return self


class DatabaseServer(Section):
    """A PostgreSQL flexible server."""

    size: VmSize
    tier: Literal["Burstable", "GeneralPurpose", "MemoryOptimized"]
    storage_gib: Literal[32, 64, 128, 256, 512, 1024]
    zone_redundant: bool
    backup_days: int = Field(ge=7, le=35)

    @model_validator(mode="after")
    def _redundant_where_it_can_be(self) -> Self:
        if self.zone_redundant and self.tier == "Burstable":
            raise ValueError("a Burstable server can't be zoneRedundant: say GeneralPurpose")
        return self


class Azure(Section):
    """What the resource group holds. Every size that has a price is here."""

    location: str = Field(min_length=3)
    zones: Zones
    address_space: Cidr = "10.40.0.0/16"
    system_pool: NodePool
    workload_pool: NodePool
    cluster_tier: Literal["Free", "Standard"]
    upgrade_channel: Literal["patch", "stable", "rapid", "node-image"] = "patch"
    registry_tier: Literal["Basic", "Standard", "Premium"]
    database: DatabaseServer
    file_redundancy: Literal["Standard_LRS", "Standard_ZRS", "Premium_LRS", "Premium_ZRS"]
    log_days: int = Field(ge=30, le=730)
    log_gib_per_day: float = Field(gt=0, le=100)
    budget_per_month: int = Field(ge=1)
    contacts: tuple[Annotated[str, StringConstraints(pattern=r"^\S+@\S+$")], ...] = Field(min_length=1)
    administrators: tuple[Guid, ...] = Field(min_length=1)
    """Entra groups that may do everything in the cluster."""
    deployer: Guid
    """The pipeline's identity: it may read the key of the state's secrets."""


class Kubeconfig(Section):
    """Any cluster that a kubeconfig reaches. Without a path, the one that kubectl would take."""

    path: str | None = None
    context: str | None = None
    identifier: str = "local"
    """Names the cluster: another identifier makes everything anew."""
    storage_class: str = "azurefile"
    disk_class: str | None = None


class Images(Section):
    """Where the services' images are. A digest wins over the tag; the pipeline writes them."""

    registry: str | None = None
    tag: str = "dev"
    digests: dict[str, Digest] = Field(default_factory=dict[str, Digest])


class Kafka(Section):
    """A cluster of our own (`nodes` > 0), or another's by its address."""

    nodes: Literal[0, 1, 3, 5] = 1
    storage: Quantity = "10Gi"
    memory: Quantity = "1Gi"
    bootstrap_servers: Annotated[str, StringConstraints(pattern=r"^[^\s:,]+:\d+(,[^\s:,]+:\d+)*$")] | None = (
        None
    )
    address_range: Cidr = "10.0.0.0/8"
    """Where brokers by address are, for the network rules."""

    @model_validator(mode="after")
    def _one_of_both(self) -> Self:
        if (self.nodes > 0) == (self.bootstrap_servers is not None):
            raise ValueError("give either nodes, for a cluster of our own, or nodes 0 and bootstrapServers")
        return self


class Postgresql(Section):
    """Outside Azure: a server inside the cluster, or another by its address."""

    host: str | None = None
    port: int = Field(default=5432, ge=1, le=65535)
    administrator: str = "postgres"
    storage: Quantity = "8Gi"
    address_range: Cidr = "10.0.0.0/8"
    """Where a server by address is, for the network rules."""


class Workloads(Section):
    """What all services share."""

    log_level: Literal["DEBUG", "INFO", "WARNING", "ERROR"] = "INFO"
    smallest: int = Field(default=1, ge=1, le=3)
    systems: tuple[str, ...] = tuple(system.name for system in SYSTEMS)

    @model_validator(mode="after")
    def _known(self) -> Self:
        names = [system.name for system in SYSTEMS]
        for name in self.systems:
            if name not in names:
                raise ValueError(f"there is no system {name}: say {' or '.join(names)}")
        return self


class Exposed(Section):
    """Which tools get an external address of their own."""

    grafana: bool = False
    prometheus: bool = False
    jaeger: bool = False


class Observability(Section):
    """How long and how much is kept, and who may look."""

    metric_days: int = Field(default=15, ge=1, le=365)
    metric_storage: Quantity = "20Gi"
    log_days: int = Field(default=7, ge=1, le=90)
    log_storage: Quantity = "10Gi"
    exposed: Exposed = Exposed()
    runbooks: Annotated[str, StringConstraints(pattern=r"^\S+/$")] = RUNBOOKS
    """Where alerts find the pages of `docs/runbooks`: an address that ends in a slash, where there is one."""
    operators: tuple[Cidr, ...] = Field(min_length=1)
    """Addresses that reach the tools from outside."""


class Settings(Section):
    """All of a stack's settings."""

    target: Literal["azure", "kubeconfig"]
    protect: bool = False
    azure: Azure | None = None
    kubeconfig: Kubeconfig | None = None
    postgresql: Postgresql | None = None
    images: Images = Images()
    kafka: Kafka = Kafka()
    workloads: Workloads = Workloads()
    observability: Observability

    @model_validator(mode="after")
    def _fits_the_target(self) -> Self:
        if self.target == "azure":
            wanted, unwanted = ("azure",), ("kubeconfig", "postgresql")
        else:
            wanted, unwanted = ("kubeconfig", "postgresql"), ("azure",)
        for name in wanted:
            if getattr(self, name) is None:
                raise ValueError(f"{PROJECT}:{name} is missing: target {self.target} needs it")
        for name in unwanted:
            if getattr(self, name) is not None:
                raise ValueError(f"{PROJECT}:{name} has no use with target {self.target}: take it out")
        return self

    @classmethod
    def load(cls) -> Self:
        """Read the stack's file. Raises `SettingsError`."""
        prefix = f"{PROJECT}:"
        given = {**pulumi_config.get_config_env(), **pulumi_config.CONFIG.get()}
        names = [key.removeprefix(prefix) for key in given if key.startswith(prefix)]
        config = pulumi.Config(PROJECT)
        values = {name: _value(config.require(name)) for name in names if not name.startswith(SECRETS)}
        try:
            return cls.model_validate(values)
        except ValidationError as exc:
            raise SettingsError("; ".join(_sentence(error) for error in exc.errors())) from None


def _value(text: str) -> object:
    """Objects come as JSON; a word is itself."""
    try:
        return json.loads(text)
    except json.JSONDecodeError:
        return text


def _sentence(error: object) -> str:
    assert isinstance(error, dict)
    where = ".".join(str(part) for part in error["loc"])
    key = f"{PROJECT}:{where}" if where else ""
    message = str(error["msg"]).removeprefix("Value error, ")
    match error["type"]:
        case "missing":
            return f"{key} is missing"
        case "extra_forbidden":
            return f"{key} is no setting: take it out"
        case _:
            return f"{key}: {message}".removeprefix(": ")
