"""Where the table of services, the recorded program and the services' code say different things."""

import importlib
import json
import tomllib
from collections.abc import Iterator
from functools import cache
from typing import Any

from clinic_lib import documents
from clinic_lib.settings import ServiceSettings
from clinic_lib.tracing import TracingSettings
from infra.recording import ROOT, Program, Recorded
from infra.systems import SYSTEMS, Service, System
from services.gateway.settings import GatewaySettings

DOCUMENTS = {"/openapi.json", "/asyncapi.json"}
SIDECAR_MILLICORES = 20
CHARTS_MILLICORES = 1500
"""What istiod, the operator, Prometheus, Grafana, Loki, Kiali, NGINX and the entrances request together."""
ALLOCATABLE = 0.9
"""What AKS leaves of a node's cores for pods."""


def drift(program: Program) -> Iterator[str]:
    """Table against code, then program against table."""
    yield from table_against_code()
    for system in SYSTEMS:
        for service in system.services:
            yield from (
                f"{service.name} of {system.name}: {fault}" for fault in _program(program, system, service)
            )
        yield from _entrance(program, system)


@cache
def table_against_code() -> tuple[str, ...]:
    return tuple(_table_against_code())


def _table_against_code() -> Iterator[str]:
    declared = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["clinic"]["systems"]
    for name in {system.name for system in SYSTEMS} ^ set(declared):
        yield f"the system {name} is not in both the table and pyproject.toml"
    for system in SYSTEMS:
        local = {each["name"]: each for each in declared.get(system.name, {}).get("services", [])}
        table = {each.local_name or each.name: each for each in system.services}
        for name in set(local) ^ set(table):
            yield f"the service {name} of {system.name} is not in both the table and pyproject.toml"
        for name in set(local) & set(table):
            if local[name]["app"] != table[name].app:
                yield f"{name} is {local[name]['app']} and {table[name].app}"
            if table[name].database:
                yield from _against_its_app(table[name], system)
            else:
                routes = json.loads(local[name]["env"]["GATEWAY_ROUTES"])
                yield from _against_local_routes(table[name], system, routes, local)


def _against_its_app(service: Service, system: System) -> Iterator[str]:
    code: Any = importlib.import_module(service.app.partition(":")[0]).service
    if (code.name, code.system) != (service.name, system.name):
        yield f"{service.name} of {system.name} calls itself {code.name} of {code.system}"
    paths = set(documents.openapi(code, code.endpoints())["paths"]) - DOCUMENTS
    prefixes = {f"/{path.split('/')[1]}" for path in paths}
    if prefixes != set(service.routes):
        yield f"{service.name} has the routes {sorted(service.routes)}, its code {sorted(prefixes)}"
    written = {event.declaration.topic for handler in code.handlers for event in handler.events}
    read = {
        message.declaration.topic
        for handler in code.handlers
        for message in handler.messages
        if handler.kind != "command" and hasattr(message, "declaration")
    }
    written |= read  # a service that is stuck on what it reads says so there
    if read != set(service.reads):
        yield f"{service.name} reads {sorted(service.reads)}, its code {sorted(read)}"
    if written != set(service.writes):
        yield f"{service.name} writes {sorted(service.writes)}, its code {sorted(written)}"


def _against_local_routes(
    service: Service, system: System, routes: dict[str, str], local: dict[str, Any]
) -> Iterator[str]:
    by_port = {f"http://127.0.0.1:{each['port']}": name for name, each in local.items()}
    here = {route: by_port.get(target) for route, target in routes.items()}
    there = {route: name for name in service.calls for route in system.service(name).routes}
    if here != there:
        yield f"{service.name} of {system.name} carries {here} locally and {there} in the cluster"


def _program(program: Program, system: System, service: Service) -> Iterator[str]:
    objects = {
        each.kind: each
        for each in program.manifests()
        if each.namespace == system.namespace and each.object_name == service.kubernetes_name
    }
    missing = {
        "Deployment",
        "Service",
        "HorizontalPodAutoscaler",
        "PodDisruptionBudget",
        "ServiceAccount",
        "NetworkPolicy",
        "AuthorizationPolicy",
        "VirtualService",
        "DestinationRule",
        "PodMonitor",
        "PrometheusRule",
    } - set(objects)
    if missing:
        yield f"there is no {', '.join(sorted(missing))}"
        return
    container = objects["Deployment"].inputs["spec"]["template"]["spec"]["containers"][0]
    yield from _probes(service, container)
    yield from _variables(program, system, service, container)
    if container["args"] != ["python", "-m", "clinic_lib.server", service.app]:
        yield f"its process is {container['args']}"
    yield from _scaling(service, objects["HorizontalPodAutoscaler"])
    ports = objects["Service"].inputs["spec"]["ports"]
    if [(port["port"], port["targetPort"]) for port in ports] != [(8080, "http")]:
        yield f"it is reached on {ports}, not on 8080 alone"
    yield from _callers(system, service, objects["AuthorizationPolicy"])
    yield from _volume(program, system, service, container)
    yield from _user(program, service)


def _probes(service: Service, container: dict[str, Any]) -> Iterator[str]:
    """As rows C8 and C9 have them, word for word."""
    ports = {port["name"]: port["containerPort"] for port in container["ports"]}
    if ports != {"http": 8080, "admin": 9080}:
        yield f"its ports are {ports}"
    ready, live = dict(container.get("readinessProbe", {})), container.get("livenessProbe", {})
    asked = ready.pop("httpGet", {"path": None, "port": None})
    wanted = (service.routes[0], "http") if service.routes else ("/health/ready", "admin")
    if (asked["path"], asked["port"]) != wanted:
        yield f"readiness asks {asked}"
    if ready != {"initialDelaySeconds": 10, "timeoutSeconds": 2, "periodSeconds": 5, "failureThreshold": 10}:
        yield f"readiness is asked {ready}"
    if live.get("httpGet") != {"path": "/health/live", "port": "admin"} or live["failureThreshold"] != 3:
        yield f"liveness is asked {live}"


def _variables(
    program: Program, system: System, service: Service, container: dict[str, Any]
) -> Iterator[str]:
    """Each is a setting of the code, all that the code requires is there, and only passwords are secrets."""
    model = ServiceSettings if service.database else GatewaySettings
    fields = {*model.model_fields, *TracingSettings.model_fields}
    known = {name.upper() for name in fields} | {"HOST", "PORT", "PGSSLROOTCERT"}
    given = {each["name"]: each["valueFrom"] for each in container["env"]}
    for name in set(given) - known:
        yield f"{name} is no setting of its code"
    for name, declared in model.model_fields.items():
        if declared.is_required() and name.upper() not in given:
            yield f"{name.upper()} is missing"
    secrets = {name for name, source in given.items() if "secretKeyRef" in source}
    if secrets - {"DATABASE_PASSWORD", "KAFKA_PASSWORD", "ADMIN_TOKEN"}:
        yield f"{secrets} are secrets"
    for name in ("DATABASE_PASSWORD", "ADMIN_TOKEN") if service.database else ("ADMIN_TOKEN",):
        if name not in secrets:
            yield f"{name} is no secret"
    config = _values(program, system, service)
    if service.calls:
        routes = {
            route: f"http://{system.service(name).kubernetes_name}:8080"
            for name in service.calls
            for route in system.service(name).routes
        }
        if json.loads(config["GATEWAY_ROUTES"]) != routes:
            yield f"it carries {config['GATEWAY_ROUTES']}"
    for name, value in {
        "PORT": "8080",
        "ADMIN_PORT": "9080",
        "HOST": "0.0.0.0",
        "ADMIN_HOST": "0.0.0.0",
    }.items():
        if config.get(name) != value:
            yield f"{name} is {config.get(name)}"
    if config.get("LOG_LEVEL") != "INFO":
        yield f"LOG_LEVEL is {config.get('LOG_LEVEL')}"
    if service.database and (
        f"/{service.name}" not in config["DATABASE_URL"] or config["DATABASE_USER"] != service.name
    ):
        yield f"its database is {config['DATABASE_URL']} of {config['DATABASE_USER']}"


def _values(program: Program, system: System, service: Service) -> dict[str, str]:
    name = f"{system.namespace}-{service.kubernetes_name}"
    found = next(each for each in program.of_kind("ConfigMap") if each.name == name)
    values: dict[str, str] = found.inputs["data"]
    return values


def _scaling(service: Service, autoscaler: Recorded) -> Iterator[str]:
    spec = autoscaler.inputs["spec"]
    target = spec["metrics"][0].get("containerResource", {}).get("target", {})
    if spec["maxReplicas"] != service.scaling.largest or spec["minReplicas"] < service.scaling.smallest:
        yield f"it has {spec['minReplicas']} to {spec['maxReplicas']} pods"
    if target.get("averageUtilization") != service.scaling.cpu_percent:
        yield f"it scales at {target}"


def _callers(system: System, service: Service, policy: Recorded) -> Iterator[str]:
    base = f"cluster.local/ns/{system.namespace}/sa"
    wanted = {f"{base}/entrance", *(f"{base}/{each.kubernetes_name}" for each in system.callers(service))}
    spec = policy.inputs["spec"]
    given = {
        each
        for rule in spec.get("rules", [])
        for source in rule["from"]
        for each in source["source"]["principals"]
    }
    ports = {each for rule in spec.get("rules", []) for to in rule["to"] for each in to["operation"]["ports"]}
    if given != wanted or spec.get("action") != "ALLOW" or ports != {"8080"}:
        yield f"it is called by {sorted(given)} on {sorted(ports)}"


def _volume(program: Program, system: System, service: Service, container: dict[str, Any]) -> Iterator[str]:
    claims = [
        each
        for each in program.of_kind("PersistentVolumeClaim")
        if each.namespace == system.namespace and each.object_name == f"{service.kubernetes_name}-data"
    ]
    mounted = {mount["mountPath"] for mount in container["volumeMounts"]} - {"/tmp"}
    wanted = {service.volume.path} if service.volume else set()
    if mounted != wanted or len(claims) != len(wanted):
        yield f"its volume is at {sorted(mounted)}"
    for claim in claims:
        spec = claim.inputs["spec"]
        if spec["accessModes"] != ["ReadWriteMany"] or spec["resources"]["requests"]["storage"] != "1Gi":
            yield f"its volume is {spec}"
        if not spec["storageClassName"].startswith("azurefile"):
            yield f"its volume is of class {spec['storageClassName']}"


def _user(program: Program, service: Service) -> Iterator[str]:
    users = [each for each in program.of_kind("KafkaUser") if each.object_name == service.kubernetes_name]
    if not list(program.of_kind("Kafka")) or not service.topics:
        return
    if len(users) != 1:
        yield f"Kafka knows {len(users)} users of its name"
        return
    given = {
        (acl["resource"]["type"], acl["resource"]["name"], operation)
        for acl in users[0].inputs["spec"]["authorization"]["acls"]
        for operation in acl["operations"]
    }
    wanted = {
        *(("topic", topic, "Read") for topic in service.reads),
        *(("topic", topic, "Write") for topic in service.writes),
        *(("topic", topic, "Describe") for topic in service.topics),
        *(("group", service.name, "Read") for _ in service.reads[:1]),
    }
    if given != wanted:
        yield f"in Kafka it may {sorted(given)}"


def _entrance(program: Program, system: System) -> Iterator[str]:
    """Row C10: a prefix per service straight to it, everything else to the gateway."""
    found = [
        each
        for each in program.of_kind("VirtualService")
        if each.namespace == system.namespace and each.object_name == "entrance"
    ]
    ways: dict[str | None, str] = {}
    for each in found:
        for route in each.inputs["spec"]["http"]:
            for match in route.get("match", [{}]):
                prefix = match.get("uri", {}).get("prefix")
                ways[prefix] = route["route"][0]["destination"]["host"].partition(".")[0]
    wanted: dict[str | None, str] = {
        route: service.kubernetes_name for service in system.services for route in service.routes
    }
    if ways != {**wanted, None: system.gateway.kubernetes_name}:
        yield f"the entrance of {system.name} leads {ways}"
    gateways = [each for each in program.of_kind("Gateway") if each.namespace == system.namespace]
    if [server["port"]["number"] for each in gateways for server in each.inputs["spec"]["servers"]] != [8080]:
        yield f"the entrance of {system.name} is not on 8080"


def needed_millicores(program: Program) -> int:
    """What all pods request when every service has grown to its largest."""
    total = CHARTS_MILLICORES
    for system in SYSTEMS:
        for service in system.services:
            total += service.scaling.largest * (_millicores(service.resources.cpu) + SIDECAR_MILLICORES)
    for each in program.of_kind("KafkaNodePool"):
        total += each.inputs["spec"]["replicas"] * _millicores(
            each.inputs["spec"]["resources"]["requests"]["cpu"]
        )
    return total


def _millicores(quantity: str) -> int:
    return int(quantity.removesuffix("m")) if quantity.endswith("m") else int(float(quantity) * 1000)


def largest_pool_millicores(stack_azure: dict[str, Any]) -> int:
    pool = stack_azure["workloadPool"]
    return int(pool["largest"] * pool["cores"] * 1000 * ALLOCATABLE)
