"""A service as a manifest: read from what it declared, while nothing of it runs."""

import inspect
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from traceback import FrameSummary
from typing import Any

from clinic_lib.declarations import Subject
from clinic_lib.handlers import Handler
from clinic_lib.messages import Event
from clinic_lib.saga import Saga
from clinic_lib.service import Service
from clinic_lib.wiring.manifest import (
    CoverageFacts,
    EventFacts,
    HandlerFacts,
    OperationFacts,
    Place,
    SagaFacts,
    ServiceFacts,
    WaiverFacts,
)
from clinic_lib.wiring.outcomes import outcomes

__all__ = ["describe"]

Places = Callable[[Callable[..., Any] | type | FrameSummary], Place]
OWN_PATHS = ("/openapi.json", "/asyncapi.json")


def describe(service: Service, openapi: Mapping[str, Any], folder: Path) -> ServiceFacts:
    """What the rules know of a service; places are told from `folder` on."""
    places = _places_from(folder)
    requests = _requests(openapi)
    return ServiceFacts(
        name=service.name,
        handlers=tuple(_handler(service, each, places, requests) for each in service.handlers),
        events=tuple(_event(each, places) for each in _events(service)),
        sagas=tuple(_saga(service, each, places) for each in service.sagas),
        coverages=tuple(
            CoverageFacts(
                row=each.row.__name__,
                events=tuple(event.declaration.type for event in each.events),
                place=places(each.place),
            )
            for each in service.coverages
        ),
        waivers=tuple(
            WaiverFacts(
                rule=each.rule,
                about=_subject(service, each.about),
                reason=each.reason,
                place=places(each.place),
            )
            for each in service.waivers
        ),
        operations=tuple(OperationFacts(request=each, body=_body(openapi, each)) for each in requests),
    )


def _handler(
    service: Service, handler: Handler, places: Places, requests: Mapping[str, str | None]
) -> HandlerFacts:
    handed = {each.row.__name__: each.optional for each in handler.parameters if each.row and each.load}
    new = [row.__name__ for row in (*handler.rows, *handler.new_ids) if row.__name__ not in handed]
    request = next((each for each, name in requests.items() if name == handler.name), None)
    return HandlerFacts(
        service=service.name,
        name=handler.name,
        kind=handler.kind,
        handles=tuple(each.declaration.type for each in handler.messages if issubclass(each, Event)),
        outcomes=tuple(
            tuple(event.declaration.type for event in outcome) for outcome in outcomes(handler.function)
        ),
        touches=tuple(dict.fromkeys((*handed, *new))),
        makes=tuple(dict.fromkeys(new)),
        may_lack=tuple(name for name, optional in handed.items() if optional),
        own_sql=handler.uses_transaction,
        compensates=handler.compensates.name if handler.compensates else None,
        done=tuple(each.declaration.type for each in handler.done),
        request=request if handler.kind == "command" else None,
        summary=_summary(handler.function),
        place=places(handler.function),
    )


def _events(service: Service) -> Iterable[type[Event]]:
    """All that its functions, sagas and views name; not what the library tells by itself."""
    by_library = {each.deadline_reached for each in service.sagas}
    named: dict[type[Event], None] = {}
    for handler in service.handlers:
        named |= dict.fromkeys(each for each in handler.messages if issubclass(each, Event))
        named |= dict.fromkeys(handler.events)
    for saga in service.sagas:
        named |= dict.fromkeys((saga.starts, *saga.ends))
    for coverage in service.coverages:
        named |= dict.fromkeys(coverage.events)
    return [each for each in named if each not in by_library]


def _event(event: type[Event], places: Places) -> EventFacts:
    declared = event.declaration
    return EventFacts(
        type=declared.type,
        topic=declared.topic,
        key=declared.key,
        version=declared.version,
        failure=declared.failure,
        fact=declared.fact,
        upcasters=tuple(sorted(event.upcasters)),
        fields=_fields(event),
        summary=_summary(event),
        place=places(event),
    )


def _fields(event: type[Event]) -> dict[str, Any]:
    """Its schema; that of an event that holds events of its own class is a reference at first."""
    schema: dict[str, Any] = _plain(event.model_json_schema())
    if "$ref" in schema:
        own: dict[str, Any] = schema["$defs"][schema["$ref"].rpartition("/")[2]]
        return own | {"$defs": schema["$defs"]}
    return schema


def _saga(service: Service, saga: Saga, places: Places) -> SagaFacts:
    decided = [each for each in service.handlers if saga.deadline_reached in each.messages]
    return SagaFacts(
        name=saga.name,
        starts=saga.starts.declaration.type,
        ends=tuple(each.declaration.type for each in saga.ends),
        deadline=saga.deadline.total_seconds() if saga.deadline else None,
        deadline_event=saga.deadline_reached.declaration.type,
        decided_by=decided[0].name if decided else None,
        restorable=saga in service.restorable,
        place=places(saga.place),
    )


def _subject(service: Service, about: Subject) -> str:
    """As findings call it: `OrderPlaced`, `saga reservation`, `seat.reserve`, `order.POST /orders`."""
    if isinstance(about, str):
        return f"{service.name}.{about}" if "/" in about else about
    if isinstance(about, Saga):
        return f"saga {about.name}"
    if isinstance(about, type) and issubclass(about, Event):
        return about.__name__
    return f"{service.name}.{about.__name__}"


def _requests(openapi: Mapping[str, Any]) -> dict[str, str | None]:
    """Each request that is answered, and the function's name for a command."""
    return {
        f"{method.upper()} {path}": operation.get("operationId")
        for path, operations in openapi["paths"].items()
        if path not in OWN_PATHS
        for method, operation in operations.items()
    }


def _body(openapi: Mapping[str, Any], request: str) -> dict[str, Any] | None:
    method, _, path = request.partition(" ")
    body = openapi["paths"][path][method.lower()].get("requestBody")
    if body is None:
        return None
    reference: str = body["content"]["application/json"]["schema"]["$ref"]
    schemas = openapi["components"]["schemas"]
    used = {name: _plain(schema) for name, schema in schemas.items()}
    return _with_definitions(used, reference.rpartition("/")[2])


def _with_definitions(schemas: Mapping[str, Any], name: str) -> dict[str, Any]:
    """One schema of a document, with those that it leads to."""
    needed: dict[str, Any] = {}
    waiting = _references(schemas[name])
    while waiting:
        each = waiting.pop()
        waiting += _references(schemas[each]) if each not in needed else []
        needed[each] = schemas[each]
    found: dict[str, Any] = schemas[name] | ({"$defs": dict(sorted(needed.items()))} if needed else {})
    return found


def _references(part: Any) -> list[str]:
    if isinstance(part, dict):
        own = [part["$ref"].rpartition("/")[2]] if isinstance(part.get("$ref"), str) else []
        return own + [each for value in part.values() for each in _references(value)]
    if isinstance(part, list):
        return [each for value in part for each in _references(value)]
    return []


def _plain(schema: Any, named: bool = False) -> Any:
    """A schema without what is for people only. `named`: its keys are names of fields."""
    if isinstance(schema, dict):
        return {
            name: _plain(value, named=not named and name in ("properties", "$defs"))
            for name, value in schema.items()
            if named or name not in ("title", "description", "examples")
        }
    return [_plain(each) for each in schema] if isinstance(schema, list) else schema


def _places_from(folder: Path) -> Places:
    def place_of(where: Callable[..., Any] | type | FrameSummary) -> Place:
        if isinstance(where, FrameSummary):
            file, line = where.filename, where.lineno or 1
        else:
            file = inspect.getsourcefile(where) or ""
            code = getattr(where, "__code__", None)
            line = code.co_firstlineno if code else inspect.getsourcelines(where)[1]
        path = Path(file)
        return Place(file=str(path.relative_to(folder) if path.is_relative_to(folder) else path), line=line)

    return place_of


def _summary(documented: object) -> str:
    return (documented.__doc__ or "").strip().split("\n")[0]
