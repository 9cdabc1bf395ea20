"""A stack's settings: read from its file, checked as a whole before the first resource is made.

Nothing here has a secret in it: those come from `passwords.py`. A wrong value is one sentence that names it.
"""

import json
from collections.abc import Collection
from typing import Annotated, Literal, Self

import pulumi
from pulumi.runtime import config as pulumi_config
from pydantic import AfterValidator, Field, StringConstraints, ValidationError, model_validator

from infra.alerts.alert import RUNBOOKS
from infra.cloud.settings import Azure
from infra.names import PROJECT
from infra.stores import Kafka, Postgresql
from infra.systems import SYSTEMS
from infra.values import Cidr, Digest, ObjectName, Quantity, Section, distinct

__all__ = [
    "Exposed",
    "Images",
    "Kubeconfig",
    "Observability",
    "Settings",
    "SettingsError",
    "Workloads",
]

Tag = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9_][A-Za-z0-9_.-]{0,127}$")]
Registry = Annotated[
    str, StringConstraints(pattern=r"^[a-z0-9][a-z0-9.-]*(:[0-9]+)?(/[a-z0-9][a-z0-9._-]*)*$")
]


class SettingsError(Exception):
    """A stack's file is wrong; the message is one sentence that names what."""


class Kubeconfig(Section):
    """Any cluster that a kubeconfig reaches. Without a path, the one that kubectl would take."""

    path: str | None = None
    context: str | None = None
    identifier: Annotated[str, Field(min_length=1)] = "local"
    """Names the cluster: another identifier makes everything anew."""
    service_type: Literal["LoadBalancer", "NodePort"] = "LoadBalancer"
    """Of what is reached from outside. Helm waits for the address of a LoadBalancer: where nothing hands any out, say
    NodePort.
    """
    storage_class: ObjectName = "azurefile"
    disk_class: ObjectName | None = None


class Images(Section):
    """Where the services' images are. A digest wins over the tag; on Azure each image needs one."""

    registry: Registry | None = None
    tag: Tag = "dev"
    digests: dict[str, Digest] = Field(default_factory=dict[str, Digest])

    @model_validator(mode="after")
    def _of_services(self) -> Self:
        names = [service.image for system in SYSTEMS for service in system.services]
        for name in self.digests:
            if name not in names:
                raise ValueError(f"digests has {name}, which is no image of ours: say {', '.join(names)}")
        return self


class Workloads(Section):
    """What all services share."""

    log_level: Literal["DEBUG", "INFO", "WARNING", "ERROR"] = "INFO"
    smallest: int = Field(default=1, ge=1, le=3)
    systems: Annotated[tuple[str, ...], AfterValidator(distinct("system"))] = tuple(
        system.name for system in SYSTEMS
    )

    @model_validator(mode="after")
    def _known(self) -> Self:
        names = [system.name for system in SYSTEMS]
        for name in self.systems:
            if name not in names:
                raise ValueError(f"there is no system {name}: say {' or '.join(names)}")
        if not self.systems:
            raise ValueError(f"systems is empty: say {' or '.join(names)}, or both")
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
    operators: Annotated[tuple[Cidr, ...], AfterValidator(distinct("range"))] = Field(min_length=1)
    """Addresses that reach the tools from outside."""


class Settings(Section):
    """All of a stack's settings."""

    target: Literal["azure", "kubeconfig"]
    protect: bool = False
    ground_only: bool = False
    """Azure's part alone: before the first images are in the registry that it makes."""
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

    @model_validator(mode="after")
    def _runs_what_was_pushed(self) -> Self:
        """A tag would move with the next push, or name nothing at all."""
        if self.ground_only and (self.target != "azure" or self.images.digests):
            raise ValueError(
                f"{PROJECT}:groundOnly is for a new stack on Azure, before there are {PROJECT}:images.digests: "
                "take it out"
            )
        if self.target != "azure" or self.ground_only:
            return self
        if self.images.registry is not None:
            raise ValueError(f"{PROJECT}:images.registry has no use with target azure: take it out")
        running = [each for each in SYSTEMS if each.name in self.workloads.systems]
        images = [service.image for system in running for service in system.services]
        if missing := [name for name in images if name not in self.images.digests]:
            raise ValueError(
                f"{PROJECT}:images.digests lacks {', '.join(missing)}: run pipelines/digests STACK, which takes "
                "those that the stack runs, or push the images and write down their digests"
            )
        return self

    @classmethod
    def load(cls, secrets: Collection[str]) -> Self:
        """Read the stack's file, without the keys of `secrets`. Raises `SettingsError`."""
        prefix = f"{PROJECT}:"
        given = {**pulumi_config.get_config_env(), **pulumi_config.CONFIG.get()}
        names = [key.removeprefix(prefix) for key in given if key.startswith(prefix)]
        config = pulumi.Config(PROJECT)
        values = {name: _value(config.require(name)) for name in names if name not in secrets}
        try:
            settings = cls.model_validate(values)
            if settings.azure:
                _one_place(settings.azure.world_wide(pulumi.get_stack()), pulumi.Config("azure-native"))
        except ValidationError as exc:
            raise SettingsError("; ".join(_sentence(error) for error in exc.errors())) from None
        except ValueError as exc:
            raise SettingsError(str(exc)) from None
        return settings


def _one_place(azure: Azure, provider: pulumi.Config) -> None:
    location = provider.get("location")
    if location not in (None, azure.location):
        raise ValueError(
            f"{PROJECT}:azure.location is {azure.location}, azure-native:location is {location}: say the same twice"
        )


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
