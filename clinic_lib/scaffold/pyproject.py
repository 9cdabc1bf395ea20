"""A service's entry in [tool.clinic], and its route through the system's gateway.

The text is changed, so that comments and layout stay; what it says then is held against what it should say.
"""

import copy
import json
import re
import tomllib
from pathlib import Path
from typing import Any

from clinic_lib.local.project import Project
from clinic_lib.scaffold.errors import UnexpectedFileError
from clinic_lib.scaffold.names import ServiceNames

__all__ = ["free_port", "with_contract", "with_service"]

ADMIN_PORTS = 1000
"""How far above its public port a service's admin port is."""


def free_port(project: Project, system: str) -> int:
    """The next after those of the system's services that nobody in the project has."""
    taken = {project.kafka_port, project.postgresql_port}
    for each in project.systems.values():
        taken |= {service.port for service in each.services}
    taken |= {port + ADMIN_PORTS for port in taken} | {port - ADMIN_PORTS for port in taken}
    own = project.systems[system]
    ports = [service.port for service in own.services if service.name != own.gateway]
    port = max(ports, default=8080) + 1
    while port in taken:
        port += 1
    return port


def with_service(path: Path, text: str, names: ServiceNames, port: int) -> str:
    """The text with the service in its system, before the gateway, which leads to it.

    Raises `UnexpectedFileError` when that can't be put there.
    """
    entry = f'{{ name = "{names.name}", app = "{names.app}", port = {port} }},'
    before = tomllib.loads(text)
    system = before["tool"]["clinic"]["systems"][names.system]
    gateway = next(
        (each for each in system["services"] if each["name"] == system.get("gateway", "gateway")), None
    )
    row = f"    {entry}"
    route = {names.collection: f"http://127.0.0.1:{port}"}
    if gateway and "GATEWAY_ROUTES" in gateway.get("env", {}):
        row += f"\n    and in GATEWAY_ROUTES: {json.dumps(route)[1:-1]}"
        old = gateway["env"]["GATEWAY_ROUTES"]
        text = text.replace(old, json.dumps(json.loads(old) | route))
    text = _inserted(text, names.system, gateway["name"] if gateway else None, entry)
    if tomllib.loads(text) != _expected(before, names, port, route):
        raise UnexpectedFileError(path, f"the services of {names.system} one a line", row)
    return text


def _inserted(text: str, system: str, gateway: str | None, entry: str) -> str:
    """Before the gateway's line, else behind the last one."""
    header = re.search(rf"^\[tool\.clinic\.systems\.{system}\]$", text, re.MULTILINE)
    table = re.compile(r"^services = \[\n((?:    \{ .*\},?\n|[ ]*#.*\n)*)\]$", re.MULTILINE)
    found = table.search(text, header.end()) if header else None
    if not found:
        return text
    place = found.end(1)
    if gateway:
        line = re.search(rf'^    \{{ name = "{gateway}",', found[1], re.MULTILINE)
        place = found.start(1) + line.start() if line else place
    head = re.sub(r"\}\n$", "},\n", text[:place])
    return f"{head}    {entry}\n{text[place:]}"


def _expected(
    before: dict[str, Any], names: ServiceNames, port: int, route: dict[str, str]
) -> dict[str, Any]:
    after = copy.deepcopy(before)
    system = after["tool"]["clinic"]["systems"][names.system]
    gateway = system.get("gateway", "gateway")
    services: list[dict[str, Any]] = system["services"]
    place = next((at for at, each in enumerate(services) if each["name"] == gateway), len(services))
    for each in services[place : place + 1]:
        if "GATEWAY_ROUTES" in each.get("env", {}):
            each["env"]["GATEWAY_ROUTES"] = json.dumps(json.loads(each["env"]["GATEWAY_ROUTES"]) | route)
    services.insert(place, {"name": names.name, "app": names.app, "port": port})
    return after


def with_contract(text: str, names: ServiceNames) -> str:
    """The text with the service among those that import-linter keeps apart, where the system's others are."""
    place = [
        each.end() for each in re.finditer(rf'^    "services\.{names.system}\.\w+",\n', text, re.MULTILINE)
    ]
    if not place or 'type = "independence"' not in text:
        return text
    return f'{text[: place[-1]]}    "{names.package}",\n{text[place[-1] :]}'
