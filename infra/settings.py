"""A stack's settings: read from its file, checked as a whole before the first resource is made.

Nothing here has a secret in it: those come from `passwords.py`. A wrong value is one sentence that names it.
"""

import json
from collections.abc import Collection, Iterator, Sequence
from pathlib import Path
from typing import Annotated, Literal, Self

import pulumi
from pulumi.runtime import config as pulumi_config
from pydantic import AfterValidator, Field, ValidationError, model_validator
from pydantic_core import ErrorDetails

from infra.alerts.alert import RUNBOOKS
from infra.cloud.settings import Azure
from infra.names import PROJECT
from infra.stores import Kafka, Postgresql
from infra.systems import SYSTEMS
from infra.values import Cidr, Digest, ObjectName, Quantity, Section, distinct, written

__all__ = [
    "Exposed",
    "Images",
    "Kubeconfig",
    "Observability",
    "Settings",
    "SettingsError",
    "Workloads",
]

NAMESPACES = (PROJECT, "azure-native", "kubernetes", "pulumi")
"""Of the keys in a stack's file: ours, the providers' and the engine's."""
EXAMPLES = {"kubeconfig": "Pulumi.local.yaml", "postgresql": "Pulumi.local.yaml"}
"""Where a section stands that not every stack has; `Pulumi.dev.yaml` has the others."""

Tag = Annotated[str, written(r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,127}", "tag", "1.4.2")]
Registry = Annotated[
    str,
    written(
        r"[a-z0-9][a-z0-9.-]*(:[0-9]+)?(/[a-z0-9][a-z0-9._-]*)*", "registry", "registry.example.com/ours"
    ),
]


class SettingsError(Exception):
    """A stack's file is wrong; the message is one sentence that names what."""


def _a_file(text: str) -> str:
    path = Path(text).expanduser()
    if not path.is_absolute() or not path.is_file():
        raise ValueError(
            f"{text or 'nothing'} is no file's whole path: name a kubeconfig, or leave path out for kubectl's own"
        )
    return text


class Kubeconfig(Section):
    """Any cluster that a kubeconfig reaches. Without a path, the one that kubectl would take."""

    path: Annotated[str, AfterValidator(_a_file)] | None = None
    context: Annotated[str, written(r".+", "context of kubectl", "docker-desktop")] | None = None
    identifier: Annotated[str, written(r".+", "name of a cluster", "local")] = "local"
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
    runbooks: Annotated[
        str, written(r"\S+/", "address that ends in a slash", "https://docs.example.com/runbooks/")
    ] = RUNBOOKS
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
                raise ValueError(
                    f"{PROJECT}:{name} is missing: target {self.target} needs it, written as in {_example(name)}"
                )
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
        for key in given:
            if key.partition(":")[0] not in NAMESPACES or ":" not in key:
                raise SettingsError(
                    f"{key or 'nothing'} is no setting: say {prefix}{key.rpartition(':')[2]}, or begin it with one of "
                    f"{', '.join(f'{each}:' for each in NAMESPACES)}"
                )
        names = [key.removeprefix(prefix) for key in given if key.startswith(prefix)]
        config = pulumi.Config(PROJECT)
        values = {name: _value(config.require(name)) for name in names if name not in secrets}
        try:
            settings = cls.model_validate_json(
                json.dumps(values)
            )  # where a list is a tuple, and true no number
            if settings.azure:
                _one_place(settings.azure.world_wide(pulumi.get_stack()), pulumi.Config("azure-native"))
        except ValidationError as exc:
            raise SettingsError(_one_line("; ".join(_sentences(exc.errors())))) from None
        except ValueError as exc:
            raise SettingsError(_one_line(str(exc))) from None
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


def _sentences(errors: Sequence[ErrorDetails]) -> Iterator[str]:
    """A list whose only element is wrong is not also empty: what is below says it."""
    places = [error["loc"] for error in errors]
    for error in errors:
        place = error["loc"]
        if not any(other[: len(place)] == place != other for other in places):
            yield _sentence(error)


def _one_line(text: str) -> str:
    """A value may have line breaks."""
    return " ".join(text.split())


def _sentence(error: ErrorDetails) -> str:
    where = ".".join(str(part) for part in error["loc"])
    key = f"{PROJECT}:{where}"
    match error["type"]:
        case "missing":
            return f"{key} is missing: write it as in {_example(where)}"
        case "extra_forbidden":
            return f"{key} is no setting: take it out"
        case "value_error":
            message = error["msg"].removeprefix("Value error, ")
            return f"{key}: {message}" if error["loc"] else message
        case kind:
            said = SAY.get(kind)
            return f"{key}: {said.format(**error.get('ctx', {})) if said else error['msg']}"


def _example(section: str) -> str:
    return EXAMPLES.get(section.partition(".")[0], "Pulumi.dev.yaml")


SAY = {
    "literal_error": "say {expected}",
    "bool_type": "say true or false",
    "int_type": "say a whole number",
    "int_from_float": "say a whole number",
    "float_type": "say a number",
    "finite_number": "say a number",
    "string_type": "say a text, and put what looks like a number or true in quotes",
    "tuple_type": "say a list, like [a, b]",
    "model_type": "write its settings below it, each as key: value",
    "model_attributes_type": "write its settings below it, each as key: value",
    "dict_type": "write what it holds below it, each as key: value",
    "too_short": "it is empty: name one at least",
    "greater_than_equal": "say {ge} or more",
    "greater_than": "say more than {gt}",
    "less_than_equal": "say {le} or less",
    "less_than": "say less than {lt}",
}
"""What to do about each kind of error that pydantic finds by itself."""
