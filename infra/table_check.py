"""Whether the table of services holds together: asked before anything is made from it."""

import re
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from decimal import Decimal

from infra.names import KAFKA_NAMESPACE, MESH_NAMESPACE, POSTGRESQL_NAMESPACE
from infra.settings import SettingsError
from infra.systems import Service, System
from infra.values import is_quantity, mebibytes

__all__ = ["check_table"]

TAKEN = (MESH_NAMESPACE, KAFKA_NAMESPACE, POSTGRESQL_NAMESPACE, "default")
"""Namespaces that are the platform's own, or the cluster's; so are all that begin with `kube-`."""
LABEL = r"[a-z]([a-z0-9-]{0,61}[a-z0-9])?"
SERVICE = r"[a-z]([a-z0-9_]{0,61}[a-z0-9])?"
ROUTE = r"(/[A-Za-z0-9_~.-]+)+"
CPU = r"[1-9][0-9]*m|[1-9][0-9]*(\.[0-9]+)?|0\.[0-9]*[1-9]"
FOLDER = r"(/[A-Za-z0-9_-][A-Za-z0-9_.-]*)+"


def check_table(systems: Sequence[System]) -> None:
    """Raises `SettingsError` with the first thing that is wrong, in one sentence."""
    for problem in _problems(systems):
        raise SettingsError(problem)


def _problems(systems: Sequence[System]) -> Iterator[str]:
    if not systems:
        yield "the table has no system: write one into SYSTEMS of infra/systems.py"
    for what in ("name", "namespace", "topic"):
        for value in _twice(getattr(system, what) for system in systems):
            yield f"two systems share the {what} {value}"
    for system in systems:
        yield from _problems_of(system)
    services = [each for system in systems for each in system.services]
    for name in _twice(each.kubernetes_name for each in services if each.database):
        yield f"two services are named {name}, and would share a database and its password: rename one"
    for image in _twice(each.image for each in services):
        yield f"two services share the image {image}: give one of them a local_name of its own"


def _twice(values: Iterable[str]) -> Iterator[str]:
    return (value for value, times in Counter(values).items() if times > 1)


def _problems_of(system: System) -> Iterator[str]:
    for what in ("name", "namespace", "topic"):
        if not re.fullmatch(LABEL, value := getattr(system, what)):
            yield (
                f"{value or 'nothing'} is no {what} of a system: write at most 63 small letters, digits and hyphens"
            )
    if system.namespace in TAKEN or system.namespace.startswith("kube-"):
        yield f"{system.name} has the namespace {system.namespace}, which is not for services: say another"
    if not system.services:
        yield f"{system.name} has no services: write its gateway, at least"
    for name in _twice(each.name for each in system.services):
        yield f"{system.name} has two services named {name}"
    yield from _wrong_routes(system)
    if system.gateway.name != "gateway":
        yield f"the last service of {system.name} is {system.gateway.name}: it must be the gateway"
    for service in system.services:
        yield from (f"{service.name} of {system.name} {problem}" for problem in _faults(service, system))


def _wrong_routes(system: System) -> Iterator[str]:
    routes = [(route, service.name) for service in system.services for route in service.routes]
    for route, name in routes:
        if not re.fullmatch(ROUTE, route):
            yield (
                f"{name} of {system.name} has the route {route or 'nothing'}: write one like /receptions, "
                "without a slash at its end"
            )
    for index, (route, name) in enumerate(routes):
        for other, owner in routes[:index]:
            if route == other:
                yield f"{owner} and {name} of {system.name} both have the route {route}"
            elif f"{route}/".startswith(f"{other}/") or f"{other}/".startswith(f"{route}/"):
                yield f"the routes {other} of {owner} and {route} of {name} of {system.name} overlap: rename one"


def _faults(service: Service, system: System) -> Iterator[str]:
    for name in (service.name, service.local_name or service.name):
        if not re.fullmatch(SERVICE, name):
            yield f"has the name {name}: write at most 63 small letters, digits and underscores"
    if service.objective is None:
        yield "has no objective"
    elif not 90 <= service.objective.availability_percent < 100:
        yield f"promises {service.objective.availability_percent} % availability: say 90 to 99.99"
    elif not service.objective.seconds_p99 > 0:
        yield f"promises an answer in {service.objective.seconds_p99} s: say more than 0"
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
    yield from _wrong_sizes(service)


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


def _wrong_sizes(service: Service) -> Iterator[str]:
    given = service.resources
    for what, cpu in (("cpu", given.cpu), ("cpu_limit", given.cpu_limit)):
        if not re.fullmatch(CPU, cpu):
            yield f"has the {what} {cpu or 'nothing'}: write one like 200m or 1.5"
    sizes = {"memory": given.memory, "memory_limit": given.memory_limit}
    if service.volume is not None:
        sizes["volume's size"] = service.volume.size
        if not re.fullmatch(FOLDER, service.volume.path):
            yield f"has the volume's path {service.volume.path or 'nothing'}: write a whole one, like /mnt/data"
    for what, size in sizes.items():
        if not is_quantity(size):
            yield f"has the {what} {size or 'nothing'}: write one like 512Mi or 10Gi"
    if _cores(given.cpu) > _cores(given.cpu_limit):
        yield f"asks for {given.cpu} CPU, over its cpu_limit {given.cpu_limit}: say less, or a higher limit"
    if mebibytes(given.memory) > mebibytes(given.memory_limit):
        yield f"asks for {given.memory} memory, over its memory_limit {given.memory_limit}: say less, or a higher limit"


def _cores(cpu: str) -> Decimal:
    return Decimal(cpu[:-1]) / 1000 if cpu.endswith("m") else Decimal(cpu)
