"""Whether the table of services holds together: asked before anything is made from it."""

from collections import Counter
from collections.abc import Iterator, Sequence

from infra.settings import SettingsError
from infra.systems import Service, System

__all__ = ["check_table"]


def check_table(systems: Sequence[System]) -> None:
    """Raises `SettingsError` with the first thing that is wrong, in one sentence."""
    for problem in _problems(systems):
        raise SettingsError(problem)


def _problems(systems: Sequence[System]) -> Iterator[str]:
    for name, times in Counter(system.namespace for system in systems).items():
        if times > 1:
            yield f"two systems share the namespace {name}"
    for system in systems:
        yield from _problems_of(system)


def _problems_of(system: System) -> Iterator[str]:
    for name, times in Counter(each.name for each in system.services).items():
        if times > 1:
            yield f"{system.name} has two services named {name}"
    owners: dict[str, str] = {}
    for service in system.services:
        for route in service.routes:
            if route in owners:
                yield f"{owners[route]} and {service.name} of {system.name} both have the route {route}"
            owners[route] = service.name
    if system.gateway.name != "gateway":
        yield f"the last service of {system.name} is {system.gateway.name}: it must be the gateway"
    for service in system.services:
        yield from (f"{service.name} of {system.name} {problem}" for problem in _faults(service, system))


def _faults(service: Service, system: System) -> Iterator[str]:
    if service.objective is None:
        yield "has no objective"
    elif not 90 <= service.objective.availability_percent < 100:
        yield f"promises {service.objective.availability_percent} % availability: say 90 to 99.99"
    if service.database and not service.routes:
        yield "has no route: its readiness asks for its own collection"
    if not service.database and service.topics:
        yield "has topics but no database: what it handled would be forgotten"
    yield from _wrong_links(service, system)
    scaling = service.scaling
    if not 1 <= scaling.smallest <= scaling.largest:
        yield f"scales from {scaling.smallest} to {scaling.largest}: say 1 or more, in order"
    if not 1 <= scaling.cpu_percent <= 100:
        yield f"scales at {scaling.cpu_percent} % CPU: say 1 to 100"


def _wrong_links(service: Service, system: System) -> Iterator[str]:
    for topic in service.topics:
        if topic != system.topic:
            yield f"uses the topic {topic}, which {system.name} does not declare"
    for topic in service.reads:
        if not any(topic in each.writes for each in system.services):
            yield f"reads the topic {topic}, which nobody writes"
    for name in service.calls:
        if all(each.name != name for each in system.services):
            yield f"calls {name}, which is no service of {system.name}"
