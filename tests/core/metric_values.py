"""What the metrics of this process say, and how much they moved."""

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager

from prometheus_client import REGISTRY

__all__ = ["Moved", "moved", "now"]

Moved = Callable[..., float]


def now(service: str, name: str, **labels: str) -> float:
    """The value of a series of a service; 0 when there is none yet."""
    return REGISTRY.get_sample_value(name, {"service": service, **labels}) or 0.0


@contextmanager
def moved(service: str) -> Iterator[Moved]:
    """Ask it inside the block by how much a series has moved since the block began."""
    before = _all(service)

    def by(name: str, **labels: str) -> float:
        return now(service, name, **labels) - before.get((name, frozenset(labels.items())), 0.0)

    yield by


def _all(service: str) -> Mapping[tuple[str, frozenset[tuple[str, str]]], float]:
    mine = ("service", service)
    return {
        (sample.name, frozenset(sample.labels.items() - {mine})): sample.value
        for family in REGISTRY.collect()
        for sample in family.samples
        if mine in sample.labels.items()
    }
