"""The kinds of values that a stack's file has, each refused in one sentence."""

import re
from collections.abc import Callable
from ipaddress import IPv4Network
from typing import Annotated, TypeVar

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict
from pydantic.alias_generators import to_camel

__all__ = [
    "OF_NUMBERS",
    "Cidr",
    "Digest",
    "Guid",
    "ObjectName",
    "Quantity",
    "Section",
    "VmSize",
    "distinct",
    "is_quantity",
    "mebibytes",
    "written",
]

T = TypeVar("T")
WIDEST_RANGE = 8
UNITS = {"Mi": 1, "Gi": 1024, "Ti": 1024 * 1024}


class Section(BaseModel):
    """Frozen, camelCase in the file, and closed: a key that nobody reads is a mistake, and true is no number."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True, alias_generator=to_camel)

    def refuse(self, *names: str, beside: str) -> None:
        """For settings that would have no effect. Raises `ValueError` when one of them is given."""
        for name in names:
            if name in self.model_fields_set:
                raise ValueError(f"{to_camel(name)} has no use with {beside}: take it out")


def written(pattern: str, what: str, like: str) -> AfterValidator:
    """Text of one kind: any other is refused with an example."""

    def check(text: str) -> str:
        if not re.fullmatch(pattern, text):
            raise ValueError(f"{text or 'nothing'} is no {what}: write one like {like}")
        return text

    return AfterValidator(check)


def _no_truth(value: object) -> object:
    """Python takes true for 1."""
    if isinstance(value, bool):
        raise ValueError("say a whole number, not true or false")
    return value


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


def is_quantity(text: str) -> bool:
    return re.fullmatch(r"[1-9][0-9]*(Mi|Gi|Ti)", text) is not None


def _quantity(text: str) -> str:
    if not is_quantity(text):
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


OF_NUMBERS = BeforeValidator(_no_truth)
"""Beside a `Literal` of numbers."""
Cidr = Annotated[str, AfterValidator(_cidr)]
Quantity = Annotated[str, AfterValidator(_quantity)]
ObjectName = Annotated[
    str, written(r"[a-z0-9]([a-z0-9.-]*[a-z0-9])?", "name of an object in Kubernetes", "fast-disk")
]
Guid = Annotated[
    str,
    written(
        r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}",
        "identifier in small letters",
        "0a1b2c3d-0000-4000-8000-00000000000a",
    ),
]
VmSize = Annotated[
    str, written(r"Standard_[A-Z][A-Za-z0-9_-]+", "size of a virtual machine", "Standard_D4s_v5")
]
Digest = Annotated[str, written(r"sha256:[0-9a-f]{64}", "digest", "sha256: and 64 digits of hexadecimal")]
