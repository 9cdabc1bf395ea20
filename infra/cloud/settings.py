"""What can be set of Azure's part: every size that has a price is here."""

import re
from ipaddress import ip_network
from typing import Annotated, Literal, Self

from pydantic import AfterValidator, Field, model_validator

from infra.names import POD_RANGE, PROJECT, SERVICE_RANGE
from infra.values import Cidr, Guid, Section, VmSize, distinct, written

__all__ = ["Azure", "DatabaseServer", "NodePool"]

Zones = Annotated[tuple[Literal["1", "2", "3"], ...], AfterValidator(distinct("zone"))]
Email = Annotated[str, written(r"[^@\s]+@[^@\s]+", "e-mail address", "platform@example.com")]

SMALLEST_NETWORK = 18
"""Three subnets of 4,096 addresses each fit."""
SIZES_OF_TIERS = {"Burstable": "B", "GeneralPurpose": "D", "MemoryOptimized": "E"}
LONGEST_ACCOUNT = 24


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
    """A PostgreSQL flexible server. `storage_gib` is what it begins with: it grows by itself, so a later change of
    the setting does nothing.
    """

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

    @model_validator(mode="after")
    def _of_its_tier(self) -> Self:
        wanted = f"Standard_{SIZES_OF_TIERS[self.tier]}"
        if not self.size.startswith(wanted):
            raise ValueError(
                f"{self.size} is no size of the tier {self.tier}: say one that begins with {wanted}"
            )
        return self


class Azure(Section):
    """What the resource group holds."""

    location: Annotated[str, written(r"[a-z0-9]{3,}", "location of Azure", "koreacentral")]
    suffix: Annotated[
        str, written(r"[a-z0-9]{0,6}", "suffix (at most six small letters and digits)", "x7")
    ] = ""
    """Stands at the end of the names that are the world's, where somebody else has them already."""
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
    contacts: Annotated[tuple[Email, ...], AfterValidator(distinct("address"))] = Field(min_length=1)
    administrators: Annotated[tuple[Guid, ...], AfterValidator(distinct("group"))] = Field(min_length=1)
    """Entra groups that may do everything in the cluster, and use the keys in the vault."""
    deployer: Guid
    """The pipeline's identity: it pushes images, signs them, and reads the key of the state's secrets."""

    @model_validator(mode="after")
    def _has_room_of_its_own(self) -> Self:
        space = ip_network(self.address_space)
        if space.prefixlen > SMALLEST_NETWORK:
            raise ValueError(f"addressSpace {space} is too small: say /{SMALLEST_NETWORK} or wider")
        for taken, whose in ((SERVICE_RANGE, "services"), (POD_RANGE, "pods")):
            if space.overlaps(ip_network(taken)):
                raise ValueError(f"addressSpace {space} overlaps {taken}, which the cluster's {whose} have")
        return self

    def world_wide(self, stack: str) -> Self:
        """Raises `ValueError` where a stack's name is none that a storage account could have."""
        name = f"{PROJECT}{stack}files{self.suffix}"
        if not re.fullmatch("[a-z0-9]+", stack) or len(name) > LONGEST_ACCOUNT:
            raise ValueError(
                f"the stack {stack} can't be on Azure: its name has to be small letters and digits, and with the "
                f"suffix {LONGEST_ACCOUNT - len(PROJECT) - len('files')} of them at most"
            )
        return self
