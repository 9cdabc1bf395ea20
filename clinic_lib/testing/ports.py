"""A declared system, moved to ports that are free, so that a run meets no other."""

import random
import re
from collections.abc import Mapping, Sequence

from clinic_lib.local.errors import StackError
from clinic_lib.local.ports import FREE_PORTS, require_free
from clinic_lib.local.project import System
from clinic_lib.local.replica import ADMIN_PORT_OFFSET, MOST_REPLICAS, REPLICA_PORT_OFFSET

__all__ = ["free_ports", "moved"]

ADMIN_OFFSETS = [ADMIN_PORT_OFFSET + REPLICA_PORT_OFFSET * n for n in range(MOST_REPLICAS)]


def moved(system: System, env: Mapping[str, str]) -> System:
    """The same services on free ports, with `env` for each; ports named in their environment follow."""
    taken: set[int] = set()
    ports = {service.port: _port_of_service(taken) for service in system.services}

    def follow(text: str) -> str:
        for old, new in ports.items():
            text = re.sub(rf"\b(127\.0\.0\.1|localhost):{old}\b", rf"\g<1>:{new}", text)
        return text

    services = [
        service.model_copy(
            update={
                "port": ports[service.port],
                "env": {name: follow(value) for name, value in service.env.items()} | dict(env),
            }
        )
        for service in system.services
    ]
    return system.model_copy(update={"services": tuple(services)})


def free_ports(offsets: Sequence[int]) -> int:
    """A port that is free, as are those at `offsets` from it."""
    while True:
        port = random.choice(FREE_PORTS)
        try:
            for offset in offsets:
                require_free(port + offset, "a test")
        except StackError:
            continue
        return port


def _port_of_service(taken: set[int]) -> int:
    while True:
        port = free_ports([0, *ADMIN_OFFSETS])
        own = {port, *(port + offset for offset in ADMIN_OFFSETS)}
        if not own & taken:
            taken |= own
            return port
