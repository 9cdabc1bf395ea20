"""What all custom resources have in common."""

import dataclasses
from collections.abc import Mapping
from typing import Any, ClassVar, Generic, TypeVar

import pulumi
from pulumi_kubernetes import apiextensions
from pulumi_kubernetes.meta.v1 import ObjectMetaArgs

__all__ = ["Custom", "Labels", "spec_of"]

Labels = Mapping[str, str]
SpecT = TypeVar("SpecT")


class Custom(apiextensions.CustomResource, Generic[SpecT]):
    """A custom resource with a spec of its own type; the Pulumi name is `name`, with the namespace before it."""

    API: ClassVar[str]
    KIND: ClassVar[str]

    def __init__(
        self,
        name: str,
        spec: SpecT,
        *,
        namespace: str,
        labels: Labels | None = None,
        annotations: Labels | None = None,
        opts: pulumi.ResourceOptions | None = None,
    ) -> None:
        super().__init__(
            f"{namespace}-{name}",
            api_version=self.API,
            kind=self.KIND,
            metadata=ObjectMetaArgs(name=name, namespace=namespace, labels=labels, annotations=annotations),
            spec=spec_of(spec),
            opts=opts,
        )


def spec_of(value: Any) -> Any:
    """Dataclasses as the objects Kubernetes knows: camelCase, without what is None."""
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        fields = {each.name: getattr(value, each.name) for each in dataclasses.fields(value)}
        return {_camel(name): spec_of(each) for name, each in fields.items() if each is not None}
    if isinstance(value, Mapping):
        return {key: spec_of(each) for key, each in value.items()}
    if isinstance(value, list | tuple):
        return [spec_of(each) for each in value]
    return value


def _camel(name: str) -> str:
    head, *rest = name.rstrip("_").split("_")
    return head + "".join(part.capitalize() for part in rest)
