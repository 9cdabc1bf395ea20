"""A rule, and the resource that it looks at."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

__all__ = ["Properties", "Rule", "Subject"]

Properties = Mapping[str, Any]


@dataclass(frozen=True)
class Subject:
    """A resource, as a rule sees it. `protect` is None where it is not known; `keeps` is the stack's own setting
    `protect`.
    """

    type: str
    name: str
    inputs: Properties
    keeps: bool
    protect: bool | None = None

    def is_a(self, *types: str) -> bool:
        return self.type.removeprefix("kubernetes:").removeprefix("azure-native:") in types

    @property
    def spec(self) -> Properties:
        return self.inputs.get("spec") or {}


@dataclass(frozen=True)
class Rule:
    """`check` yields what is wrong with a resource, if anything."""

    name: str
    why: str
    check: Callable[[Subject], Iterator[str]]
