"""The kinds of values that a stack's file has, each refused in one sentence."""

import re
from collections.abc import Callable
from ipaddress import IPv4Network
from typing import Annotated, TypeVar

from pydantic import AfterValidator, BaseModel, ConfigDict, StringConstraints
from pydantic.alias_generators import to_camel

__all__ = ["Cidr", "Digest", "Guid", "ObjectName", "Quantity", "Section", "VmSize", "distinct", "mebibytes"]

T = TypeVar("T")
WIDEST_RANGE = 8
UNITS = {"Mi": 1, "Gi": 1024, "Ti": 1024 * 1024}


class Section(BaseModel):
    """Frozen, camelCase in the file, and closed: a key that nobody reads is a mistake."""

    model_config = ConfigDict(frozen=True, extra="forbid", alias_generator=to_camel)

    def refuse(self, *names: str, beside: str) -> None:
        """For settings that would have no effect. Raises `ValueError` when one of them is given."""
        for name in names:
            if name in self.model_fields_set:
                raise ValueError(f"{to_camel(name)} has no use with {beside}: take it out")


def _cidr(text: str) -> str:
    try:
        network = IPv4Network(text, strict=False)
    except ValueError:
        raise ValueError(f"{text} is no range of addresses: write one like 10.0.0.0/8") from None
    if "/" not in text or str(network) != text:
        raise ValueError(f"{text} is no range of addresses: write {network}")
    if network.prefixlen < WIDEST_RANGE:
        raise ValueError(f"{text} is almost everybody: say /{WIDEST_RANGE} or narrower")
    return text


def _quantity(text: str) -> str:
    if not re.fullmatch(r"[1-9][0-9]*(Mi|Gi|Ti)", text):
        raise ValueError(f"{text} is no size: write one like 512Mi or 10Gi")
    return text


def mebibytes(quantity: str) -> int:
    """Of a `Quantity`."""
    return int(quantity[:-2]) * UNITS[quantity[-2:]]


def distinct(what: str) -> Callable[[tuple[T, ...]], tuple[T, ...]]:
    """Checks that nothing is named twice."""

    def check(values: tuple[T, ...]) -> tuple[T, ...]:
        for each in values:
            if values.count(each) > 1:
                raise ValueError(f"the {what} {each} is there twice: name it once")
        return values

    return check


Cidr = Annotated[str, AfterValidator(_cidr)]
Quantity = Annotated[str, AfterValidator(_quantity)]
ObjectName = Annotated[str, StringConstraints(pattern=r"^[a-z0-9]([a-z0-9.-]*[a-z0-9])?$")]
"""Of an object in Kubernetes."""
Guid = Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$")]
VmSize = Annotated[str, StringConstraints(pattern=r"^Standard_[A-Z][A-Za-z0-9_-]+$")]
Digest = Annotated[str, StringConstraints(pattern=r"^sha256:[0-9a-f]{64}$")]
